"""What the report of a long run takes: `python tests/bench/report`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path += [
    str(Path(__file__).parents[1]),
    str(Path(__file__).parents[2]),
]  # where benches and tests keep what they share

from children import BenchError, Children, blame
from command import OUT, carry_out, open_console, whole_number
from open_report import has_browser, open_report
from show import Measured, document, print_table

from master.analysis.runs import StoredRun

DAY = Path(__file__).parents[1] / "store" / "day.py"
MADE_S, OPENED_S, SIZE_MB = 30.0, 3.0, 6.0
"""The limits, for a run of 500 nodes, 50 endpoints and a day."""
MISSING = "Not all of this could be worked out"
"""What a report says that lacks a part."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    options = _parse(arguments)
    if not has_browser():
        print("skipped: Chromium is needed to open the report: apt install chromium")  # noqa: T201
        return 0
    return carry_out(lambda: _bench(options), options.out)


def _bench(options: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    console = open_console()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piswarm-bench-")))
        run = options.run
        if run is None:
            run = folder / "run"
            _play(run, options, folder / "day.log")
        made = [_make(run, folder / f"made-{number}") for number in range(options.rounds)]
        report = folder / "made-0" / "report.html"
        opened_s = [open_report(report) for _ in range(options.rounds)]
        facts = _facts(run)
        if options.keep:
            shutil.copyfile(report, options.keep)
    of = {key: [each[key] for each in made] for key in made[0]}
    measured = [
        Measured("made_s", "report made, by the command", "s", MADE_S, of["made_s"]),
        Measured("cpu_s", "CPU time of that", "s", None, of["cpu_s"]),
        Measured("peak_rss_mb", "memory of it at most", "MB", None, of["peak_rss_mb"]),
        Measured("report_mb", "size of report.html", "MB", SIZE_MB, of["report_mb"]),
        Measured("opened_s", "opened, to the last chart drawn", "s", OPENED_S, opened_s),
    ]
    print_table(console, measured)
    options.out.write_text(json.dumps(document(started, facts, measured), indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {options.out}", soft_wrap=True)
    return 0 if all(each.holds for each in measured) else 1


def _facts(run: Path) -> dict[str, Any]:
    """What the report is of."""
    result = StoredRun.open(run).result
    return {
        "duration_s": result.duration_s,
        "nodes": result.nodes.peak,
        "endpoints": len(result.endpoints),
        "database_bytes": (run / "run.db").stat().st_size,
    }


def _play(run: Path, options: argparse.Namespace, log: Path) -> None:
    """Have a run played into the directory `run`. Raises BenchError."""
    console = open_console(stderr=True)
    with Children() as children:
        words = [str(run), *map(str, (options.hours, options.nodes, options.endpoints))]
        process = children.start([sys.executable, str(DAY), *words], None, log=log)
        assert process.stdout is not None
        for line in process.stdout:
            console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)
        if process.wait():
            raise BenchError(blame("the run could not be played", log))


def _make(run: Path, folder: Path) -> dict[str, float]:
    """Have the report made in a new `folder`, as a user would. Raises BenchError."""
    began_s = time.monotonic()
    command = [sys.executable, "-m", "master.cli", "report", str(run), "--out", str(folder)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        took_s = time.monotonic() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if process.returncode:
            raise BenchError(f"the report could not be made: {' '.join(said.read().split())}")
    report = folder / "report.html"
    if MISSING in report.read_text(encoding="utf-8"):
        raise BenchError("a part of the report is missing, and it says which")
    return {
        "made_s": took_s,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_rss_mb": 1024 * used.ru_maxrss / 1e6,
        "report_mb": report.stat().st_size / 1e6,
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/report",
        description="How long the report of a long run takes to make and to open in Chromium, and how large it is, beside the limits.\n"
        "The run is played first, second by second, which takes about an hour; --run takes one that is there.",
        epilog="example: python tests/bench/report --hours 1 --nodes 50 --endpoints 10\n\n"
        "exit status: 0 within the limits, or skipped for want of Chromium; 1 beyond one, or it failed; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default, words in (
        ("hours", 24, "how many hours to play"),
        ("nodes", 500, "how many nodes"),
        ("endpoints", 50, "how many endpoints"),
        ("rounds", 3, "how often to make and to open it"),
    ):
        parser.add_argument(
            f"--{name}", type=whole_number, default=default, metavar="N", help=f"{words} (default: %(default)s)"
        )
    parser.add_argument("--run", type=Path, metavar="DIR", help="a run directory to make the report of")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where to leave the report")
    parser.add_argument(
        "--out", type=Path, default=OUT / "report.json", help="JSON file to write (default: bench/report.json)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
