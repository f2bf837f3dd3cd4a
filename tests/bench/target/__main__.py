"""Whether the embedded target reaches every gate while a generator runs beside it: `python tests/bench/target`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share
sys.path.append(str(Path(__file__).parents[2] / "performance"))  # the suites that measure under load

import suites
from children import BenchError, Children, blame
from client import Client
from command import EXIT_FAILED, OUT, carry_out, open_console, progress_on
from machine import describe_all
from pipeline import session_chunks
from platform_figures import chain, many_at_once, single_requests
from show import document, print_table
from target_gates import Gate, floor, gates_of_run

PASSWORD = "of-this-bench-alone"  # the target is the bench's own


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    options = _parse(arguments)
    return carry_out(lambda: _bench(options), options.out)


def _bench(options: argparse.Namespace) -> int:
    started, began_s = datetime.now(UTC), time.monotonic()
    gates = _measure(options.only)
    facts = {"machine": describe_all(), "database": "SQLite", "gates": gates}
    console = open_console()
    print_table(console, **facts, took_s=time.monotonic() - began_s)
    options.out.write_text(json.dumps(document(started=started, **facts), indent=2, ensure_ascii=False) + "\n", "utf-8")
    console.print(f"written to {options.out}", soft_wrap=True)
    return 0 if all(gate.holds for gate in gates) else EXIT_FAILED


def _measure(areas: Sequence[str]) -> list[Gate]:
    """All gates of the areas, with a line on stderr that says which one is on."""
    console = open_console(stderr=True)
    gates: list[Gate] = []
    with progress_on(console) as bar:
        task = bar.add_task("", total=len(areas))
        for area in areas:
            bar.update(task, description=area)
            if not console.is_terminal:
                console.print(f"measuring {area}", soft_wrap=True)
            gates += AREAS[area]()
            bar.advance(task)
    return gates


def _on_target(measure: Callable[[Callable[[str], Client]], list[Gate]]) -> list[Gate]:
    """What `measure` finds on a target of its own."""
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name, Children() as children:
        log = Path(name, "target.log")
        process = children.start(
            [sys.executable, "-m", "master.target", "--until-stdin-closes"],
            None,
            log=log,
            stdin=subprocess.PIPE,
            environment={**os.environ, "PISWARM_TARGET_PASSWORD": PASSWORD},
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise BenchError(blame("the target did not start", log))
        url = json.loads(line)["url"]
        return measure(lambda account: Client(url, account, PASSWORD))


def _run_suite(name: str) -> dict[str, Any]:
    """What a performance suite has measured, run by piswarm against a target that it starts."""
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as results:
        try:
            measured = suites.measure(name, Path(results))
        except suites.SuiteError as error:
            raise BenchError(str(error)) from None
    if measured["verdict"] not in {"PASS", "FAIL"}:
        raise BenchError(f"{name}: {measured['verdict']}: {measured['reason']}")
    return measured


def _suite(name: str) -> list[Gate]:
    """The gates of a suite."""
    return gates_of_run(name.replace("_", " "), _run_suite(name)["gates"])


def _database() -> list[Gate]:
    """The gates of the database, and how many connections the users' pools had: each user opens one, and keeps it."""
    area, measured = "database queries", _run_suite("database_queries")
    connections = measured["endpoints"].get("SQL connect")
    return [*gates_of_run(area, measured["gates"]), floor(area, "pooled connections", 100, "", connections)]


AREAS: dict[str, Callable[[], list[Gate]]] = {
    "gateway": lambda: _suite("api_gateway_throughput"),
    "sessions": lambda: _suite("session_processing"),
    "chunks": session_chunks,
    "database": _database,
    "chain": lambda: _on_target(chain),
    "single": lambda: _on_target(single_requests),
    "many": lambda: _on_target(many_at_once),
}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/target",
        description="Each gate of a remote-desktop platform: its bound, what the embedded target reaches, and the margin.\n"
        "Target and generator share this machine. Takes about 4 minutes.",
        epilog="example: python tests/bench/target --only chain,single --out /tmp/target.json\n\n"
        "exit status: 0 every gate holds; 1 one does not, or it failed; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", type=_areas, default=list(AREAS), metavar="AREA,…", help=f"of {', '.join(AREAS)} (default: all)"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT / "target.json", help="where the figures go (default: bench/target.json)"
    )
    return parser.parse_args(arguments)


def _areas(text: str) -> list[str]:
    areas = [each.strip() for each in text.split(",")]
    unknown = [each for each in areas if each not in AREAS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(AREAS)}")
    return areas


if __name__ == "__main__":
    sys.exit(main())
