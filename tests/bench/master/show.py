"""The results: a table for people, a document for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from command import NONE
from figures import Row
from rich.console import Console
from rich.table import Table
from rounds import LOADS, RAMP_S, USERS_PER_WORKER, Round

SCHEMA = "piswarm/bench/master/1"
NAMES = {"stock": "Locust", "ours": "piswarm"}
COLUMNS = {
    "ready_s": ("ready\ns", ".1f"),
    "ready_cpu_s": ("\nCPU s", ".2f"),
    "ramp_s": ("ramp\ns", ".1f"),
    "ramp_cpu_s": ("\nCPU s", ".2f"),
    "idle_percent": ("idle\n% CPU", ".1f"),
    "loaded_1_percent": ("1 endpoint\n% CPU", ".1f"),
    "loaded_10_percent": ("10 endpoints\n% CPU", ".1f"),
    "rss_mib": ("RSS\nMiB", ".0f"),
}


def document(
    *,
    started: datetime,
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    window_s: float,
    rows: Sequence[Row],
    rounds: Sequence[Round],
) -> dict[str, Any]:
    """All there is to know, the raw figures of each round included."""
    return {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "machine": machine,
        "versions": versions,
        "load": {"window_s": window_s, "ramp_s": RAMP_S, "users_per_worker": USERS_PER_WORKER, "endpoints": LOADS},
        "summary": [asdict(row) for row in rows],
        "rounds": [asdict(each) for each in rounds],
    }


def print_table(
    console: Console,
    *,
    rows: Sequence[Row],
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    rounds: int,
    window_s: float,
) -> None:
    """One line for each master and number of workers, and what one must know to read them."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("workers", justify="right", vertical="bottom")
    table.add_column("master", no_wrap=True, vertical="bottom")
    for heading, _ in COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        shown = [f"{row.figures[name]:{form}}" if name in row.figures else NONE for name, (_, form) in COLUMNS.items()]
        table.add_row(str(row.workers), NAMES[row.master], *shown, _remark(row))
        if row.master != "stock":
            ratios = [f"{row.of_stock[name]:.2f}" if name in row.of_stock else NONE for name in COLUMNS]
            table.add_row("", "ratio", *ratios, "", style="dim", end_section=True)
    console.print(table)
    for row in rows:
        if row.missing is not None:
            console.print(f"{row.workers} workers, {NAMES[row.master]}: {row.missing}", markup=False, style="red")
    console.print()
    for note in _notes(rows, machine, versions, rounds, window_s):
        console.print(note, markup=False, highlight=False)


def _remark(row: Row) -> str:
    if row.missing is not None:
        return "failed" if row.missing.startswith("failed") else row.missing
    words = [f"full {row.full}"] if row.full else []
    words += [f"late {row.late}"] if row.late else []
    words += [f"lost {row.lost}"] if row.lost else []
    return ", ".join(words)


def _notes(
    rows: Sequence[Row], machine: Mapping[str, Any], versions: Mapping[str, str], rounds: int, window_s: float
) -> list[str]:
    cpus = f"the master on core {machine['master_core']}, its workers on core {machine['peers_core']}"
    notes = [
        f"{machine['cpu']}, {machine['cores']} cores; {cpus}. {rounds} × {window_s:g} s; medians. {'; '.join(versions.values())}.",
        "ready: from no connection to all workers known. ramp: 2 users for each worker, until all workers say that they run.",
        "% CPU: of one core, all threads of the master, while every user makes one request a second to each endpoint.",
        "Locust's master hears plain ZeroMQ, a heartbeat a second and a report every 3 s of each worker; it has no web UI here.",
        "piswarm's hears CURVE, an agent's sample a second and a worker's report every 2 s, and writes a run.db.",
        "ratio: the median of each round's ratio of piswarm to Locust.",
    ]
    if machine["one_physical_core"]:
        notes.append("Both cores are threads of one physical core and slow each other down: believe the ratios less.")
    if any(row.full for row in rows):
        notes.append(
            "full: so many rounds in which the master had no more of its core to take; it may have needed more."
        )
    if any(row.late for row in rows):
        notes.append("late: so many rounds in which the workers were behind; with these the master had less to do.")
    if any(row.lost for row in rows):
        notes.append("lost: workers that the master took for dead, which none was, in all rounds together.")
    return notes
