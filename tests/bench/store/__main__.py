"""How large run.db of a day becomes, and what writing it costs: `python tests/bench/store`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share

from children import BenchError, Children, blame
from command import OUT, carry_out, open_console, progress_on, whole_number
from machine import Cores, choose_cores, describe
from rich.table import Table

SCHEMA = "piswarm/bench/store/1"
DAY = Path(__file__).parent / "day.py"
COMPARED_H = 2
"""Hours that are played without thinning, too: in the second one thinning is at work where it is on."""


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of the played time."""

    hour: int
    second_ms: float
    """CPU that the controller took to write a second, on average."""
    longest_ms: float
    database_bytes: int
    """run.db with its log, at the end of the hour."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python tests/bench/store",
        description="What a run at full traffic leaves in run.db, hour by hour, and what each second costs the controller, with\n"
        "thinning and without. The run is played, second by second, through the controller's own Collector; the process\n"
        "that thins is the real one. The default takes about an hour.",
        epilog="example: python tests/bench/store --hours 3 --nodes 50 --endpoints 10 --out /tmp/store.json\n\n"
        "exit status: 0 measured, or skipped for want of a second core; 1 it failed; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default, words in (
        ("hours", 24, "how many hours to play"),
        ("nodes", 500, "how many nodes"),
        ("endpoints", 50, "how many endpoints"),
    ):
        text = f"{words} (default: %(default)s)"
        parser.add_argument(f"--{name}", type=whole_number, default=default, metavar="N", help=text)
    parser.add_argument(
        "--out", type=Path, default=OUT / "store.json", help="JSON file to write (default: bench/store.json)"
    )
    options = parser.parse_args(arguments)
    cores = choose_cores()
    if cores is None:
        print("skipped: two cores are needed, so that nobody disturbs the one that is measured")  # noqa: T201
        return 0
    return carry_out(lambda: _bench(cores, options), options.out)


def _bench(cores: Cores, options: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    thinned = _play(cores, options, options.hours)
    whole = _play(cores, options, min(COMPARED_H, options.hours), "--whole")
    ratio = thinned[len(whole) - 1].second_ms / whole[-1].second_ms
    console = open_console()
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in (
        "hour",
        "a second\nms",
        "longest\nms",
        "run.db\nMB",
        "not thinned\nms",
        "longest\nms",
        "run.db\nMB",
    ):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for each in thinned:
        beside = whole[each.hour - 1] if each.hour <= len(whole) else None
        table.add_row(str(each.hour), *_cells(each), *(_cells(beside) if beside else ["–"] * 3))
    console.print(table)
    console.print(
        f"\nwriting with thinning: {ratio:.2f} of without, in hour {len(whole)}; {describe(cores, measured='controller', other='thinning')['cpu']}",
        highlight=False,
    )
    document = {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "machine": describe(cores, measured="controller", other="thinning"),
        "versions": {"piswarm": version("piswarm")},
        "day": {"hours": options.hours, "nodes": options.nodes, "endpoints": options.endpoints},
        "ratio": round(ratio, 4),
        "thinned": [asdict(each) for each in thinned],
        "whole": [asdict(each) for each in whole],
    }
    options.out.write_text(json.dumps(document, indent=2) + "\n")
    console.print(f"written to {options.out}", soft_wrap=True)
    return 0


def _cells(hour: Hour) -> list[str]:
    return [f"{hour.second_ms:.2f}", f"{hour.longest_ms:.1f}", f"{hour.database_bytes / 1e6:.1f}"]


def _play(cores: Cores, options: argparse.Namespace, hours: int, *flags: str) -> list[Hour]:
    """The hours of one run, with a line on stderr that says which one is on. Raises BenchError."""
    console, found = open_console(stderr=True), list[Hour]()
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name, Children() as children:
        log = Path(name) / "day.log"
        command = [
            sys.executable,
            str(DAY),
            str(Path(name) / "run"),
            str(hours),
            str(options.nodes),
            str(options.endpoints),
        ]
        process: subprocess.Popen[str] = children.start([*command, *flags], cores.measured, log=log)
        assert process.stdout is not None
        with progress_on(console) as bar:
            task = bar.add_task("the first hour", total=hours)
            for line in process.stdout:
                values = json.loads(line)
                if "hour" not in values:
                    continue
                found.append(Hour(**values))
                words = f"hour {found[-1].hour} of {hours}  run.db {found[-1].database_bytes / 1e6:.1f} MB"
                bar.update(task, description=words, completed=found[-1].hour)
                if not console.is_terminal:
                    console.print(words, soft_wrap=True, highlight=False)
        if process.wait() or len(found) != hours:
            raise BenchError(blame(f"the controller ended after hour {len(found)}", log))
    return found


if __name__ == "__main__":
    sys.exit(main())
