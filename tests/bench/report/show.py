"""The figures beside their limits: a table for people, a document for machines."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

SCHEMA = "piswarm/bench/report/1"


@dataclass(frozen=True)
class Measured:
    """Something that was measured in rounds, and the most that it may be; None where there is no limit."""

    key: str
    name: str
    unit: str
    limit: float | None
    rounds: Sequence[float]

    @property
    def median(self) -> float:
        """The middle of all rounds."""
        return statistics.median(self.rounds)

    @property
    def holds(self) -> bool:
        """Whether the median is within the limit."""
        return self.limit is None or self.median <= self.limit


def print_table(console: Console, measured: Sequence[Measured]) -> None:
    """A line for each."""
    table = Table("", "limit", "median", "largest", "", box=None, pad_edge=False)
    for each in measured:
        limit = "" if each.limit is None else f"{each.limit:g} {each.unit}"
        verdict = "" if each.limit is None else "ok" if each.holds else "FAIL"
        table.add_row(
            each.name, limit, f"{each.median:.3g} {each.unit}", f"{max(each.rounds):.3g} {each.unit}", verdict
        )
    console.print(table)


def document(started: datetime, run: dict[str, Any], measured: Sequence[Measured]) -> dict[str, Any]:
    """All there is to know."""
    return {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "run": run,
        "measured": {
            each.key: {"limit": each.limit, "rounds": list(each.rounds), "holds": each.holds} for each in measured
        },
    }
