"""What an agent costs its node, and how well it keeps its schedule: `python tests/bench/agent`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share

from children import Children
from command import EXIT_FAILED, OUT, carry_out, duration_s, open_console, progress_on, whole_number
from figures import Window, on_boards
from machine import Cores, choose_cores, describe
from node import LOADS, Bench
from show import document, print_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write the document. Returns the exit status."""
    options = _parse(arguments)
    cores = choose_cores()
    if cores is None:
        print("skipped: two cores are needed, one for the agent and one for its controller")  # noqa: T201
        return 0
    return carry_out(lambda: _bench(cores, options), options.out)


def _bench(cores: Cores, options: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name, Children() as children:
        bench = Bench(cores, options.period, children, Path(name))
        windows = _measure(bench, options.samples)
        foreign = bench.foreign()
    facts: dict[str, Any] = {
        "machine": describe(cores, measured="agent", other="controller"),
        "versions": {"piswarm": f"piswarm {version('piswarm')}"},
        "period_s": options.period,
        "windows": windows,
        "boards": on_boards(windows[0].cpu_s_per_sample, options.period),
        "foreign": foreign,
    }
    console = open_console()
    print_table(console, **facts)
    options.out.write_text(json.dumps(document(started=started, **facts), indent=2, ensure_ascii=False) + "\n")
    console.print(f"written to {options.out}", soft_wrap=True)
    return EXIT_FAILED if foreign else 0


def _measure(bench: Bench, samples: int) -> list[Window]:
    """All windows, with a line on stderr that says which one is on."""
    console = open_console(stderr=True)
    done: list[Window] = []
    with progress_on(console) as bar:
        task = bar.add_task("", total=len(LOADS))
        for load in LOADS:
            bar.update(task, description=load)
            done.append(bench.measure(load, samples))
            bar.advance(task)
            if not console.is_terminal:
                words = f"{load}: {1000 * done[-1].cpu_s_per_sample:.3f} ms a sample, {done[-1].late_max_ms:.2f} ms late at most"
                console.print(words, soft_wrap=True)
    return done


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/agent",
        description="What an agent with its worker takes of a core, idle and with every core busy, and how late its samples are.\n"
        "The default takes about 3 minutes.",
        epilog="example: python tests/bench/agent --samples 10 --out /tmp/agent.json\n\n"
        "exit status: 0 measured, or skipped for want of a second core; 1 it failed; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--samples", type=whole_number, default=60, metavar="N", help="samples in a window (default: %(default)s)"
    )
    parser.add_argument(
        "--period", type=duration_s, default=1.0, metavar="S", help="seconds between samples (default: %(default)g)"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT / "agent.json", help="JSON file to write (default: bench/agent.json)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
