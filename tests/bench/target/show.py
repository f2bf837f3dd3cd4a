"""The results: a table for people, a document for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from command import number
from rich.console import Console
from rich.table import Table
from rich.text import Text
from target_gates import Gate

SCHEMA = "piswarm/bench/target/1"


def document(*, started: datetime, machine: Mapping[str, Any], database: str, gates: Sequence[Gate]) -> dict[str, Any]:
    """All there is to know."""
    return {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "machine": machine,
        "database": database,
        "gates": [asdict(gate) | {"holds": gate.holds, "margin": gate.margin} for gate in gates],
    }


def print_table(
    console: Console, *, machine: Mapping[str, Any], database: str, gates: Sequence[Gate], took_s: float
) -> None:
    """One line for each gate: its bound, what was reached, and how many times better that is."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("area", "figure"):
        table.add_column(heading, overflow="fold")
    for heading in ("gate", "reached", "margin"):
        table.add_column(heading, justify="right")
    table.add_column("")
    area = ""
    for gate in gates:
        table.add_row(
            gate.area if gate.area != area else "",
            Text(gate.figure),  # [id] is no markup
            f"{gate.sign} {gate.bound:g} {gate.unit}".strip(),
            f"{number(gate.reached, '.4g')} {gate.unit}".strip(),
            f"{number(gate.margin, '.3g')} ×",
            "ok" if gate.holds else "FAIL",
        )
        area = gate.area
    console.print(table)
    console.print()
    failed = sum(not gate.holds for gate in gates)
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores for target and generator together; {database}; {took_s:.0f} s",
        soft_wrap=True,
    )
    console.print(f"{len(gates) - failed} of {len(gates)} gates hold", highlight=False)
