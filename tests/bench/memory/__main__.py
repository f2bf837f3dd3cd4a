"""What a controller holds over a day: `python tests/bench/memory`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share

from children import BenchError, Children, blame
from command import OUT, carry_out, open_console, progress_on, whole_number
from figures import Hour, growth
from machine import Cores, choose_cores, describe
from show import Day, document, print_table

DAY = Path(__file__).parent / "day.py"
STEP_S = 120
REPORTERS = 20
MIN_NODES = 5
"""With fewer, all could be lost at once, which ends a run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    options = _parse(arguments)
    cores = choose_cores()
    if cores is None:
        print("skipped: two cores are needed, so that nobody disturbs the one that is measured")  # noqa: T201
        return 0
    return carry_out(lambda: _bench(cores, options), options.out)


def _bench(cores: Cores, options: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    day = Day(options.hours, options.nodes, options.endpoints, STEP_S, min(REPORTERS, options.nodes))
    hours = _measure(cores, day)
    console = open_console()
    facts: dict[str, Any] = {
        "machine": describe(cores, measured="controller", other="bench"),
        "versions": {"piswarm": f"piswarm {version('piswarm')}", "locust": f"Locust {version('locust')}"},
        "day": day,
        "hours": hours,
        "growth": growth(hours),
    }
    print_table(console, **facts)
    options.out.write_text(json.dumps(document(started=started, **facts), indent=2, ensure_ascii=False) + "\n")
    console.print(f"written to {options.out}", soft_wrap=True)
    return 0


def _measure(cores: Cores, day: Day) -> list[Hour]:
    """All hours, with a line on stderr that says which one is on. Raises BenchError."""
    console = open_console(stderr=True)
    hours: list[Hour] = []
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name, Children() as children:
        directory = Path(name)
        log = directory / "day.log"
        command = [sys.executable, str(DAY), str(directory / "run.db"), *map(str, day)]
        process = children.start(command, cores.measured, log=log)
        with progress_on(console) as bar:
            task = bar.add_task("all nodes join", total=day.hours)
            for line in _lines(process):
                hours.append(Hour(**json.loads(line)))
                last = hours[-1]
                words = f"hour {last.hour} of {day.hours}  RSS {last.rss_bytes / 1e6:.1f} MB"
                bar.update(task, description=words, completed=last.hour)
                if not console.is_terminal:
                    console.print(f"{words}  {last.objects} objects  {last.took_s:.1f} s", soft_wrap=True)
        if process.wait() or not hours or hours[-1].hour != day.hours:
            raise BenchError(blame(f"the controller ended after hour {hours[-1].hour if hours else 0}", log))
    return hours


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/memory",
        description="What a controller holds after each hour of a day. The day is played: the controller's own parts and its\n"
        "run.db, by a clock that is moved, with nodes whose messages are made up. The default takes about 3 minutes.",
        epilog="example: python tests/bench/memory --hours 4 --nodes 50 --endpoints 10 --out /tmp/memory.json\n\n"
        "exit status: 0 measured, or skipped for want of a second core; 1 it failed; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, kind, default, words in (
        ("hours", whole_number, 24, "how many hours to play"),
        ("nodes", _nodes, 500, "how many nodes"),
        ("endpoints", whole_number, 50, "how many endpoints each worker reports on"),
    ):
        text = f"{words} (default: %(default)s)"
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=text)
    parser.add_argument(
        "--out", type=Path, default=OUT / "memory.json", help="JSON file to write (default: bench/memory.json)"
    )
    return parser.parse_args(arguments)


def _nodes(text: str) -> int:
    count = whole_number(text)
    if count < MIN_NODES:
        raise argparse.ArgumentTypeError(f"{text} is less than {MIN_NODES}")
    return count


if __name__ == "__main__":
    sys.exit(main())
