"""The results: a table for people, a document for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from command import NONE, number
from monitoring_gates import NO_FLOOR, Measured
from rich.console import Console
from rich.table import Table

SCHEMA = "piswarm/bench/monitoring/1"


def document(
    *, started: datetime, machine: Mapping[str, Any], measured: Sequence[Measured], skipped: Mapping[str, str]
) -> dict[str, Any]:
    """All there is to know."""
    return {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "machine": machine,
        "skipped": skipped,
        "gates": [
            asdict(each.gate)
            | {"holds": each.gate.holds, "margin": each.gate.margin, "median": each.median, "rounds": each.rounds}
            for each in measured
        ],
    }


def print_table(
    console: Console,
    *,
    machine: Mapping[str, Any],
    measured: Sequence[Measured],
    skipped: Mapping[str, str],
    took_s: float,
) -> None:
    """One line for each floor: what was reached, the rounds' range, and how many times better that is."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("operation", overflow="fold")
    for heading in ("floor", "median", "rounds", "margin"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for each in measured:
        gate = each.gate
        table.add_row(
            gate.figure,
            NONE if gate.bound == NO_FLOOR else f"{gate.sign} {gate.bound:g} {gate.unit}".strip(),
            f"{_shown(each.median)} {gate.unit}".strip(),
            f"{_shown(min(each.rounds))} to {_shown(max(each.rounds))}",
            f"{number(gate.margin, '.3g')} ×",
            "" if gate.bound == NO_FLOOR else "ok" if gate.holds else "FAIL",
        )
    console.print(table)
    console.print()
    for area, why in skipped.items():
        console.print(f"skipped {area}: {why}", markup=False, highlight=False, soft_wrap=True)
    rounds = max((len(each.rounds) for each in measured), default=0)
    console.print(
        f"{machine['cpu']}, one core for what is measured, another for its server; medians of {rounds} rounds; {took_s:.0f} s",
        soft_wrap=True,
    )
    console.print("what waits for a server is measured by time, the rest by its CPU time", highlight=False)
    judged = [each.gate.holds for each in measured if each.gate.bound != NO_FLOOR]
    console.print(f"{sum(judged)} of {len(judged)} floors hold", highlight=False)


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"
