"""Tells of each suite whether its newest figure is worse than all before, and how often chance alone would make it so.

    python tests/performance/analyze_trends.py [--results FOLDER] [--alarm 5]

If nothing has changed, each of n + 1 results is as likely as any other to be the worst: that the newest is the worst of all happens
once in n + 1 times. It is called worse only where that is rarer than `--alarm` percent, for which 5 % takes 19 results before it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import history
import suites


@dataclass(frozen=True)
class Trend:
    """The newest of a suite's figures beside the `earlier` ones. `chance` is how often the newest would be the worst by chance."""

    newest: float
    earlier: int
    median: float
    change_percent: float
    is_worst: bool
    chance: float

    def is_worse(self, alarm: float) -> bool:
        """Whether it is the worst, and that is rarer than `alarm` by chance."""
        return self.is_worst and self.chance <= alarm


def trend(values: Sequence[float], *, smaller_is_better: bool) -> Trend | None:
    """The trend of figures in the order of time; None for fewer than two."""
    if len(values) < 2:
        return None
    *earlier, newest = values
    median = statistics.median(earlier)
    worst = newest > max(earlier) if smaller_is_better else newest < min(earlier)
    change_percent = 100 * (newest - median) / median if median else 0.0
    return Trend(newest, len(earlier), median, change_percent, worst, 1 / len(values))


def describe(name: str, found: Trend | None, alarm: float) -> str:
    """One line for people."""
    figure = suites.FIGURES[name]
    if found is None:
        return f"{name:24} fewer than two results: no trend"
    judged = "WORSE" if found.is_worse(alarm) else "the worst so far" if found.is_worst else "as before"
    return (
        f"{name:24} {figure.key} {found.newest:g} {figure.unit}, {found.change_percent:+.1f} % of the median {found.median:g}"
        f" of {found.earlier} earlier: {judged} (by chance the worst in {100 * found.chance:.1f} % of cases)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 where a suite has become worse, 2 where there is nothing to analyse."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=suites.FOLDER / "results", help="folder of the results")
    parser.add_argument(
        "--alarm", type=float, default=5.0, help="false alarms that are accepted, in percent (default 5)"
    )
    options = parser.parse_args(arguments)
    alarm = options.alarm / 100
    try:
        values = {name: history.figures(history.all_of(name, options.results), name) for name in suites.FIGURES}
    except history.HistoryError as error:
        print(error, file=sys.stderr)
        return 2
    if not any(values.values()):
        print(f"{options.results}: no results; measure first, with a suite's script", file=sys.stderr)
        return 2
    trends = {
        name: trend(each, smaller_is_better=suites.FIGURES[name].smaller_is_better) for name, each in values.items()
    }
    for name, found in trends.items():
        print(describe(name, found, alarm))
    return int(any(found is not None and found.is_worse(alarm) for found in trends.values()))


if __name__ == "__main__":
    sys.exit(main())
