"""What making and checking an environment takes, against the floors: the commands as their users call them, the parts by themselves."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share

from command import EXIT_FAILED, OUT, carry_out, open_console, whole_number
from rich.table import Table

from master.environments.generate import make_secret
from master.environments.kinds import PRINTABLE, Secret
from master.environments.layers import merged_layers

SCHEMA = "piswarm/bench/environments/1"


class Operation(NamedTuple):
    """Something that is measured, and the longest that it may take."""

    name: str
    limit_s: float
    act: Callable[[], object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python tests/bench/environments", description=__doc__)
    parser.add_argument(
        "--rounds", type=whole_number, default=7, help="rounds of each operation (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT / "environments.json", help="the document (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    return carry_out(lambda: _bench(options.rounds, options.out), options.out)


def _bench(rounds: int, out: Path) -> int:
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as folder:
        measured = [
            (each, [_time(each.act) for _ in range(rounds)]) for each in _operations(Path(folder) / "piswarm.env")
        ]
    table = Table("operation", "limit", "median", "longest", "", box=None, pad_edge=False)
    for each, rounds_s in measured:
        longest_s = max(rounds_s)
        verdict = "ok" if longest_s < each.limit_s else "FAIL"
        table.add_row(
            each.name, f"{each.limit_s:g} s", f"{statistics.median(rounds_s):.3g} s", f"{longest_s:.3g} s", verdict
        )
    console = open_console()
    console.print(table)
    rows = [
        {"operation": each.name, "limit_s": each.limit_s, "rounds_s": rounds_s, "holds": max(rounds_s) < each.limit_s}
        for each, rounds_s in measured
    ]
    facts = {"schema": SCHEMA, "started_at": started.isoformat(timespec="seconds"), "operations": rows}
    out.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    console.print(f"written to {out}", soft_wrap=True)
    return 0 if all(row["holds"] for row in rows) else EXIT_FAILED


def _operations(file: Path) -> list[Operation]:
    longest = Secret(length=256, alphabet=PRINTABLE)
    make = ("generate", "--environment", "production", "--template", "cloud", "--rotate", "--out", str(file))
    return [
        Operation("generate one environment, by the command", 5, lambda: _piswarm_env(*make)),
        Operation("validate one, by the command", 2, lambda: _piswarm_env("validate", str(file))),
        Operation("make the longest secret", 1, lambda: make_secret(longest)),
        Operation("merge three layers, with the origin of each value", 3, lambda: merged_layers("production", "cloud")),
    ]


def _piswarm_env(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "master.cli", "env", *words], check=True, stdout=subprocess.DEVNULL)


def _time(act: Callable[[], object]) -> float:
    began_s = time.monotonic()
    act()
    return time.monotonic() - began_s


if __name__ == "__main__":
    sys.exit(main())
