"""The results: tables for people, a document for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from command import number
from figures import GOAL_BYTES, GOAL_PERCENT, UNSURE, OnBoard, Window
from rich.console import Console
from rich.table import Table

SCHEMA = "piswarm/bench/agent/1"


def document(
    *,
    started: datetime,
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    period_s: float,
    windows: Sequence[Window],
    boards: Sequence[OnBoard],
    foreign: Sequence[str],
) -> dict[str, Any]:
    """All there is to know."""
    return {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "machine": machine,
        "versions": versions,
        "period_s": period_s,
        "goal": {"percent": GOAL_PERCENT, "bytes": GOAL_BYTES},
        "windows": [asdict(each) for each in windows],
        "boards": [asdict(each) for each in boards],
        "loaded_though_it_must_not": list(foreign),
    }


def print_table(
    console: Console,
    *,
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    period_s: float,
    windows: Sequence[Window],
    boards: Sequence[OnBoard],
    foreign: Sequence[str],
) -> None:
    """One line for each load and each board, and what one must know to read them."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("other cores'\nwork")
    for heading in ("CPU ms\na sample", "instructions\na sample", "late ms\nmedian", "late ms\nmost"):
        table.add_column(heading, justify="right")
    for heading in ("samples\nmissing", "RSS\nMB", "PSS\nMB"):
        table.add_column(heading, justify="right")
    for each in windows:
        table.add_row(
            each.load,
            f"{1000 * each.cpu_s_per_sample:.3f}",
            number(each.instructions_per_sample, ".0f"),
            f"{each.late_median_ms:.2f}",
            f"{each.late_max_ms:.2f}",
            f"{each.missing} of {each.samples + each.missing}",
            f"{each.rss_bytes / 1e6:.1f}",
            f"{each.pss_bytes / 1e6:.1f}",
        )
    console.print(table)
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("of a core of a")
    table.add_column("%", justify="right")
    table.add_column(f"± {100 * UNSURE:.0f} %", justify="right")
    for board in boards:
        table.add_row(board.board, f"{board.percent:.2f}", f"{board.least:.2f} to {board.most:.2f}")
    console.print(table)
    console.print()
    for note in _notes(machine, versions, period_s, foreign):
        console.print(note, markup=False, highlight=False)


def _notes(
    machine: Mapping[str, Any], versions: Mapping[str, str], period_s: float, foreign: Sequence[str]
) -> list[str]:
    notes = [
        f"{machine['cpu']}, {machine['cores']} cores; {'; '.join(versions.values())}; a sample every {period_s:g} s.",
        "The agent is a process of its own with a worker that has no users: it reads this machine's sensors, sends them",
        "over CURVE, is told when its worker ends, looks after it every 5 s, and answers for its clocks every 5 samples.",
        "For a Pi the first line is scaled by what is estimated of Pi cores (worker/telemetry/pi/models.py).",
        "Nothing was measured on a Pi, and asking its firmware is left out, since there is none here.",
        f"goal: {GOAL_PERCENT} % of a Pi's core, {GOAL_BYTES / 1e6:.0f} MB.",
    ]
    if foreign:
        notes.append(f"The agent has loaded what it must not: {', '.join(foreign)}.")
    return notes
