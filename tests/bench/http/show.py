"""The results: a table for people, a document for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cases import CASES
from command import NONE, number
from figures import Row
from rich.console import Console
from rich.table import Table
from rounds import Round
from tools import Load

SCHEMA = "piswarm/bench/http/1"


def document(
    *,
    started: datetime,
    machine: Mapping[str, Any],
    versions: Mapping[str, str | None],
    load: Load,
    rows: Sequence[Row],
    rounds: Sequence[Round],
    counting_us: Mapping[str, float],
) -> dict[str, Any]:
    """All there is to know, the raw figures of each round included."""
    return {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "machine": machine,
        "versions": versions,
        "load": asdict(load),
        "cases": [{"name": case.name, "title": case.title, "method": case.method} for case in CASES],
        "summary": [asdict(row) for row in rows],
        "rounds": [asdict(each) for each in rounds],
        "counting_us": counting_us,
    }


def print_tables(  # noqa: PLR0917  # what was measured, in the order in which it is shown
    console: Console,
    rows: Sequence[Row],
    machine: Mapping[str, Any],
    load: Load,
    rounds: int,
    counting_us: Mapping[str, float],
) -> None:
    """One table a case, and what one must know to read them."""
    for case in CASES:
        table = Table(
            title=case.title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0), pad_edge=False
        )
        table.add_column("tool", min_width=16, no_wrap=True)
        for heading in ("req/s", "min–max", "µs/req", "×Fast", "×wrk", "own", "nginx"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        for row in rows:
            if row.case == case.name:
                table.add_row(*_cells(row))
        console.print(table)
        for row in rows:
            if row.case == case.name and row.missing is not None and row.missing.startswith("failed"):
                console.print(f"{row.tool} {row.missing}", markup=False, style="red")
        console.print()
    cpus = f"the generator on core {machine['generator_core']}, nginx on core {machine['nginx_core']}"
    notes = [
        f"{machine['cpu']}, {machine['cores']} cores; {cpus}. {load.users} connections, {rounds} × {load.window_s:g} s.",
        "req/s, µs/req (CPU time of the tool), own and nginx (how much of its core each used): medians over the rounds.",
        "×Fast, ×wrk: the median of each round's ratio to FastHttpUser and to wrk.",
        f"Of the µs, counting the request: {counting_us['piswarm']:.1f} in piswarm HttpUser, {counting_us['locust']:.1f} in Locust's.",
        "Users and k6 check status and body of every answer; wrk can't check bodies, only the status.",
    ]
    if machine["one_physical_core"]:
        notes.append("Both are threads of one physical core and slow each other down: believe the ratios less.")
    if any(row.nginx_bound for row in rows):
        notes.append("nginx-bound: nginx had no more to give; the tool can do at least this much.")
    if any(row.disturbed for row in rows):
        notes.append(
            "disturbed: so many rounds in which neither the tool nor nginx had its core for itself, since something else ran there. "
            "The µs hold nevertheless; for the rest, measure again on an idle machine."
        )
    for note in notes:
        console.print(note, markup=False, highlight=False)


def _cells(row: Row) -> list[str]:
    if row.missing is not None or row.rate is None:
        word = "failed" if row.missing is not None and row.missing.startswith("failed") else row.missing or NONE
        return [row.tool, NONE, word, *[NONE] * 5, ""]
    return [
        row.tool,
        f"{row.rate:,.0f}",
        f"{_thousands(row.rate_min)}–{_thousands(row.rate_max)}k",
        number(row.cpu_us, ".1f"),
        number(row.ratio_fast, ".2f"),
        number(row.ratio_wrk, ".3f"),
        number(row.own_share, ".0%"),
        number(row.nginx_share, ".0%"),
        "nginx-bound" if row.nginx_bound else f"disturbed {row.disturbed}" if row.disturbed else "",
    ]


def _thousands(value: float | None) -> str:
    return NONE if value is None else f"{value / 1000:.3g}"
