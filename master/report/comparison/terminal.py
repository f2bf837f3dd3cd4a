"""A comparison in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from master.judge.result import Comparison
from master.report.comparison.rows import HEADINGS, figure_rows, lines_below
from worker.printable import printable

_STYLES = {"worse": "bold red", "better": "bold green", "same": "", "unknown": "dim"}


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the table of all figures, what else is to be known, and the outcome last, where the eye is."""
    rows = [*figure_rows(comparison)]
    if rows:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in HEADINGS:
            right = heading in {"baseline", "run", "change"}
            table.add_column(heading, justify="right" if right else "left", overflow="fold")
        for row in rows:
            mark = Text("" if row.outcome == "unknown" else row.outcome, style=_STYLES[row.outcome])
            table.add_row(Text(row.endpoint, style="bold"), *map(Text, row[1:-1]), mark)
        console.print(table)
        console.print()
    for line in lines_below(comparison):
        console.print(Text(printable(line)), soft_wrap=True)
    console.print(Text.assemble(_outcome(comparison), "  ", printable(comparison.reason)), soft_wrap=True)


def comparison_line(comparison: Comparison) -> Text:
    """The outcome alone, for the end of a run that has a baseline; `piswarm compare` prints all of it."""
    name = printable(comparison.baseline.run_id)
    return Text.assemble(f"beside the baseline {name}: ", _outcome(comparison), "  ", printable(comparison.reason))


def _outcome(comparison: Comparison) -> tuple[str, str]:
    word = "not comparable" if comparison.outcome == "unknown" else comparison.outcome
    return word, _STYLES[comparison.outcome]
