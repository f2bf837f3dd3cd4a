"""Operations beside the longest that each may take: measured in rounds, printed as a table, written as a document."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from command import EXIT_FAILED, open_console
from rich.table import Table


class Operation(NamedTuple):
    """Something that is measured, and the longest that it may take."""

    name: str
    limit_s: float
    measure_s: Callable[[], float]
    """Does it once; how long it took."""


def timed(act: Callable[[], object]) -> Callable[[], float]:
    """A measurement of how long `act` takes."""

    def measure_s() -> float:
        began_s = time.monotonic()
        act()
        return time.monotonic() - began_s

    return measure_s


def measure_limits(operations: Sequence[Operation], rounds: int, schema: str, out: Path) -> int:
    """Measure each operation so many times, print the table, write the document. Returns the exit status."""
    started = datetime.now(UTC)
    measured = [(each, [each.measure_s() for _ in range(rounds)]) for each in operations]
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
    facts = {"schema": schema, "started_at": started.isoformat(timespec="seconds"), "operations": rows}
    out.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    console.print(f"written to {out}", soft_wrap=True)
    return 0 if all(row["holds"] for row in rows) else EXIT_FAILED
