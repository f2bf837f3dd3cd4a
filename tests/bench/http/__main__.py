"""HTTP clients against the same nginx, in turn: `python tests/bench/http`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share

import server
from cases import CASES
from children import Children
from command import EXIT_FAILED, OUT, carry_out, duration_s, open_console, progress_on, whole_number
from figures import row
from machine import Cores, choose_cores, describe
from rounds import Bench, Round, order
from server import Nginx, find_nginx
from show import document, print_tables
from tools import K6, Load, Locust, Tool, Wrk

USERS = 50
NO_NGINX = "nginx is not installed; on Debian: apt install nginx-light wrk"

FAST = "FastHttpUser"
WRK = Wrk.name


def tools() -> list[Tool]:
    """All that are compared, whether installed or not."""
    locust = f"locust {version('locust')}"
    return [
        Locust("piswarm HttpUser", "worker.http:HttpUser", f"piswarm {version('piswarm')}, {locust}"),
        Locust(FAST, "locust:FastHttpUser", f"{locust}, geventhttpclient {version('geventhttpclient')}"),
        Locust("Locust HttpUser", "locust:HttpUser", f"{locust}, requests {version('requests')}"),
        Wrk(),
        K6(),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    options = _parse(arguments)
    cores, program = choose_cores(), find_nginx()
    if cores is None or program is None:
        few = "two cores are needed, one for the generator and one for nginx (bound to them, which only Linux does)"
        print(f"skipped: {few if cores is None else NO_NGINX}")  # noqa: T201  # the operator reads it
        return 0
    return carry_out(lambda: _bench(program, cores, options), options.out)


def _bench(program: str, cores: Cores, options: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    load = Load(USERS, options.warm_up, options.seconds)
    compared = [tool for tool in tools() if not options.only or tool.name in options.only]
    present = [tool for tool in compared if tool.program() is not None]
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name, Children() as children:
        directory = Path(name)
        nginx = Nginx(program, cores.other, directory, children)
        bench = Bench(nginx, cores, load, directory, children)
        rounds = _measure(bench, present, options.rounds)
        counting_us = bench.counting_us()
    rows = [
        row(case.name, tool.name, rounds, fast=FAST, wrk=WRK, missing=None if tool in present else "not installed")
        for case in CASES
        for tool in compared
    ]
    versions = {tool.name: tool.version() if tool in present else None for tool in compared}
    versions["nginx"] = server.version(program)
    here = describe(cores, measured="generator", other="nginx")
    console = open_console()
    print_tables(console, rows, here, load, options.rounds, counting_us)
    result = document(
        started=started, machine=here, versions=versions, load=load, rows=rows, rounds=rounds, counting_us=counting_us
    )
    options.out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    console.print(f"written to {options.out}", soft_wrap=True)
    return EXIT_FAILED if any(each.error for each in rounds) else 0


def _measure(bench: Bench, present: Sequence[Tool], count: int) -> list[Round]:
    """All rounds, with a line on stderr that says which one is on."""
    console = open_console(stderr=True)
    bar = progress_on(console)
    done: list[Round] = []
    with bar:
        task = bar.add_task("", total=count * len(CASES) * len(present))
        for number, case, tool in order(present, count):
            words = f"round {number + 1} of {count}  {case.name:5}  {tool.name}"
            bar.update(task, description=f"{words:46}")
            done.append(bench.measure(number, case, tool))
            bar.advance(task)
            if not console.is_terminal or done[-1].error:
                console.print(f"{words:46} {done[-1].error or f'{done[-1].rate:,.0f} req/s'}", markup=False)
    return done


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/http",
        description=f"How many requests a second {USERS} users make on one core, with this project's HttpUser, Locust's two,\n"
        "wrk and k6 (what is installed of them), in turn against the same nginx on another core.",
        epilog="example: python tests/bench/http --rounds 3 --seconds 2 --out /tmp/http.json\n\n"
        "exit status: 0 measured, or skipped for want of nginx or a second core; 1 a tool or nginx failed;\n"
        "2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds", type=whole_number, default=5, metavar="N", help="rounds of each tool (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=duration_s, default=3.0, metavar="S", help="measured in each round (default: %(default)g)"
    )
    parser.add_argument(
        "--warm-up", type=duration_s, default=1.0, metavar="S", help="before that, not measured (default: %(default)g)"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=[tool.name for tool in tools()],
        metavar="TOOL",
        help="%(choices)s; repeatable",
    )
    parser.add_argument(
        "--out", type=Path, default=OUT / "http.json", help="JSON file to write (default: bench/http.json)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
