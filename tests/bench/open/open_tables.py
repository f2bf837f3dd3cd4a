"""The results: a table for people, a document for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from command import NONE
from found import CURVE, Difference, Found, differences
from generators import ALGORITHM, OPEN, WRK2
from rich.console import Console
from rich.table import Table
from stalling_cases import BOUND, PERCENTS, Case

SCHEMA = "piswarm/bench/open/1"


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that was found on one case's target, and what theory says; the first of each is ours, in the open model."""

    case: Case
    measured: Sequence[Found]
    theory: Sequence[Found]

    def of(self, tool: str) -> Found:
        """Return what a tool found."""
        return next(each for each in self.measured if each.tool == tool)

    @property
    def judged(self) -> list[Difference]:
        """Ours against wrk2, where it was measured, and against its algorithm."""
        return [difference for tool in (WRK2, ALGORITHM) for difference in differences(self.of(OPEN), self.of(tool))]

    @property
    def holds(self) -> bool:
        """Whether ours was measured, and is within the bound of each other."""
        return bool(self.judged) and all(each.within for each in self.judged)


def document(
    started: datetime,
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    command: str,
    outcomes: Sequence[Outcome],
) -> dict[str, Any]:
    """All there is to know."""
    return {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "command": command,
        "machine": machine,
        "versions": versions,
        "bound": BOUND,
        "cases": [
            {
                "name": each.case.name,
                "title": each.case.title,
                "window_s": each.case.window_s,
                "rate_per_s": each.case.rate_per_s,
                "connections": each.case.connections,
                "few_users": each.case.few_users,
                "measured": [_found(found) for found in each.measured],
                "in_theory": [_found(found) for found in each.theory],
                "off": [
                    {"percentile": difference.percent, "from": difference.of, "share": difference.share}
                    for difference in each.judged
                ],
                "holds": each.holds,
            }
            for each in outcomes
        ],
    }


def _found(found: Found) -> dict[str, Any]:
    if found.missing:
        return {"tool": found.tool, "missing": found.missing}
    return {
        "tool": found.tool,
        "requests": found.requests,
        "missed": found.missed,
        "latency_ms": {_name(percent): round(found.latency_ms[percent], 3) for percent in PERCENTS},
        "curve_ms": [round(found.latency_ms[percent], 3) for percent in CURVE],
    }


def print_tables(console: Console, outcomes: Sequence[Outcome], machine: Mapping[str, Any]) -> None:
    """One table a case, and what one must know to read them."""
    for outcome in outcomes:
        table = Table(title=_title(outcome.case), title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column("ms", min_width=26, no_wrap=True)
        for heading in (*map(_name, PERCENTS), "requests", "missed"):
            table.add_column(heading, justify="right", no_wrap=True)
        for found, theory in zip(outcome.measured, outcome.theory, strict=True):
            table.add_row(*_cells(found.tool, found))
            table.add_row(*_cells("  in theory", theory), style="dim")
            if found.tool == OPEN:
                for tool in (WRK2, ALGORITHM):
                    off = differences(found, outcome.of(tool))
                    if off:
                        cells = [f"{each.share:+.1%}" for each in off]
                        style = "" if all(each.within for each in off) else "red"
                        table.add_row(f"  off {tool}", *cells, "", "", style=style)
        console.print(table)
        console.print()
    notes = [
        f"{machine['cpu']}, {machine['cores']} cores; the generator on core {machine['generator_core']}, the target on core {machine['target_core']}.",
        f"Latencies of the answers of {outcomes[0].case.window_s} s; in theory: where nothing takes time but the target. Bound: {BOUND:.0%} off wrk2 and its algorithm.",
        "missed: arrivals that could not be started, since max_users were busy; only the open model has them.",
    ]
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _title(case: Case) -> str:
    users = f"{case.connections} connections or users (few: {case.few_users})"
    return f"{case.name}: the target {case.title}; {case.rate_per_s} requests/s by {users}"


def _cells(label: str, found: Found) -> list[str]:
    if found.missing:
        return [label, found.missing, *[NONE] * (len(PERCENTS) - 1), NONE, NONE]
    times = [f"{found.latency_ms[percent]:,.1f}" for percent in PERCENTS]
    return [label, *times, f"{found.requests:,}", f"{found.missed:,}" if found.tool.startswith(OPEN) else NONE]


def _name(percent: float) -> str:
    return f"p{percent:g}"
