"""The open model, wrk2 and the closed model on targets that stall: `python tests/bench/open`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share
sys.path.append(str(Path(__file__).parents[2]))  # what all tests do
sys.path.append(str(Path(__file__).parents[2] / "truth"))  # the target

from children import BenchError, Children
from command import EXIT_FAILED, EXIT_INPUT, OUT, carry_out, complain, open_console, try_to_write, whole_number
from curves_picture import draw
from found import Found
from generators import ALGORITHM, CLOSED_FEW, CLOSED_SAME, OPEN, WRK2, Bench, in_theory, installed
from machine import Cores, choose_cores, describe
from open_tables import Outcome, document, print_tables
from stalling_cases import CASES, Case

TOOLS = (OPEN, WRK2, ALGORITHM, CLOSED_SAME, CLOSED_FEW)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write the document and the picture. Returns the exit status."""
    options = _parse(arguments)
    cores = choose_cores()
    if cores is None:
        print("skipped: two cores are needed, one for the generator and one for the target")  # noqa: T201  # the operator reads it
        return 0
    picture = options.picture or options.out.with_suffix(".svg")
    try:
        try_to_write(picture)
    except OSError as error:
        return complain(f"can't write --picture {picture}: {error.strerror}; name another file", EXIT_INPUT)
    command = shlex.join(["python", "tests/bench/open", *(sys.argv[1:] if arguments is None else arguments)])
    return carry_out(lambda: _bench(cores, options, picture, command), options.out)


def _bench(cores: Cores, options: argparse.Namespace, picture: Path, command: str) -> int:
    started = datetime.now(UTC)
    cases = [replace(case, window_s=options.seconds) for case in CASES if not options.only or case.name in options.only]
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name, Children() as children:
        bench = Bench(cores, Path(name), children)
        outcomes = [_measure(bench, case) for case in cases]
    machine = describe(cores, measured="generator", other="target")
    versions = {"piswarm": version("piswarm"), "locust": version("locust")}
    console = open_console()
    print_tables(console, outcomes, machine)
    text = json.dumps(document(started, machine, versions, command, outcomes), indent=1, ensure_ascii=False)
    options.out.write_text(text + "\n", encoding="utf-8")
    picture.write_text(draw([(each.case, each.measured) for each in outcomes]), encoding="utf-8")
    console.print(f"written to {options.out} and {picture}", soft_wrap=True)
    return 0 if all(each.holds for each in outcomes) else EXIT_FAILED


def _measure(bench: Bench, case: Case) -> Outcome:
    """Measure all tools on one case's target, with a line on stderr for each."""
    console = open_console(stderr=True)
    measured = []
    for tool in TOOLS:
        try:
            found = bench.measure(case, tool) if installed(tool) else Found(tool, {}, missing="not installed")
        except BenchError as error:
            found = Found(tool, {}, missing="failed")
            console.print(f"{case.name:8}{tool:20} {error}", markup=False, soft_wrap=True)
        else:
            console.print(f"{case.name:8}{tool:20} {found.missing or f'{found.requests} requests'}", markup=False)
        measured.append(found)
    return Outcome(case, measured, [in_theory(case, tool) for tool in TOOLS])


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/open",
        description="What the open model, wrk2, wrk2's documented algorithm and the closed model tell of the same target at the same rate,\n"
        "when the target stalls. wrk2 is measured where it is on PATH.",
        epilog="example: python tests/bench/open --only second --out /tmp/open.json\n\n"
        "exit status: 0 the open model is within 2 % of wrk2 and of its algorithm at each percentile, or skipped for want of a second\n"
        "core; 1 it is not, or was not measured; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [case.name for case in CASES]
    parser.add_argument("--only", action="append", choices=names, metavar="CASE", help="%(choices)s; repeatable")
    parser.add_argument(
        "--seconds",
        type=whole_number,
        default=30,
        metavar="S",
        help="measured of each tool, a multiple of the cases' periods (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=OUT / "open.json", help="JSON file to write (default: bench/open.json)"
    )
    parser.add_argument("--picture", type=Path, help="SVG file to write (default: beside --out)")
    options = parser.parse_args(arguments)
    for case in CASES:
        if (not options.only or case.name in options.only) and not case.fits(options.seconds):
            parser.error(f"--seconds {options.seconds} is not a whole number of the stalls of {case.name}")
    return options


if __name__ == "__main__":
    sys.exit(main())
