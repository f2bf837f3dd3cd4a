"""The faults of this folder, each shown on stock Locust and on piswarm, and the table of what was seen."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finding import Finding
from rich.table import Table
from rich.text import Text

SCHEMA = "piswarm/faults/1"
NONE = "–"

Side = Callable[[], Finding]


@dataclass(frozen=True)
class Fault:
    """One file: what `stock` Locust does wrong and `ours` must not; None where Locust has nothing to compare."""

    fault: str
    title: str
    stock: Side | None
    ours: Side


@dataclass(frozen=True)
class Outcome:
    """What one side showed, or why it could not show anything."""

    finding: Finding | None
    error: str | None
    took_s: float

    def __str__(self) -> str:
        if self.finding is None:
            return f"error: {self.error.splitlines()[0]}"
        return f"{'holds' if self.finding.holds else 'fails'}: {self.finding.seen}"

    def document(self) -> dict[str, Any]:
        """Return the outcome as data for machines."""
        shown = {} if self.finding is None else self.finding._asdict()
        return {"holds": None, "seen": None, **shown, "error": self.error, "took_s": round(self.took_s, 2)}


@dataclass(frozen=True)
class Row:
    """One fault, as both sides showed it."""

    fault: Fault
    stock: Outcome | None
    ours: Outcome

    @property
    def as_expected(self) -> bool:
        """Return whether stock fails, where there is one, and ours holds."""
        stock_fails = self.stock is None or (self.stock.finding is not None and not self.stock.finding.holds)
        return stock_fails and self.ours.finding is not None and self.ours.finding.holds


def find_faults(folder: Path) -> list[Fault]:
    """Return all faults of a folder that modules are imported from: L1, L2, …, then K1, …."""
    modules = [importlib.import_module(path.stem) for path in sorted(folder.glob("test_*.py"))]
    faults = [Fault(each.FAULT, each.TITLE, each.stock, each.ours) for each in modules]
    return sorted(faults, key=lambda each: _place(each.fault))


def _place(fault: str) -> tuple[bool, str, int]:
    letters, number = re.fullmatch(r"([A-Z]+)(\d+)", fault).groups()
    return letters != "L", letters, int(number)


def run(side: Side) -> Outcome:
    """Let one side show what it does, and return what it raises as its outcome."""
    started_s = time.monotonic()
    finding, error = None, None
    try:
        finding = side()
    except Exception as raised:  # noqa: BLE001  # one side that can't be run must not keep the others from it
        error = f"{type(raised).__name__}: {raised}"
    return Outcome(finding, error, time.monotonic() - started_s)


def document(rows: Iterable[Row]) -> dict[str, Any]:
    """Return all rows as data for machines."""
    listed = [
        {
            "fault": row.fault.fault,
            "title": row.fault.title,
            "stock": None if row.stock is None else row.stock.document(),
            "ours": row.ours.document(),
            "as_expected": row.as_expected,
        }
        for row in rows
    ]
    return {
        "schema": SCHEMA,
        "locust": version("locust"),
        "piswarm": version("piswarm"),
        "as_expected": all(row["as_expected"] for row in listed),
        "rows": listed,
    }


def table(rows: Iterable[Row]) -> Table:
    """Return all rows as a table for people, with what is not as expected in red."""
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading, ratio in (("fault", 3), (f"stock Locust {version('locust')}", 4), ("ours", 4)):
        shown.add_column(heading, ratio=ratio, overflow="fold")
    for row in rows:
        style = "" if row.as_expected else "red"
        name = f"{row.fault.fault} {row.fault.title}"
        shown.add_row(*(Text(str(cell), style) for cell in (name, row.stock or NONE, row.ours)))
    return shown
