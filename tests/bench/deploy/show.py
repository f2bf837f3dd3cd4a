"""The results: a table for people, a document for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cases import CASES, Round
from command import NONE
from figures import FIGURES, PAPER, Paper, Row
from rich.console import Console
from rich.table import Table

SCHEMA = "piswarm/bench/deploy/1"
NAMES = {"ours": "fab", "ansible": "playbook"}
COLUMNS = {
    "seconds": ("\ns", ".2f"),
    "cpu_s": ("controller\nCPU s", ".2f"),
    "hosts_cpu_s": ("hosts\nCPU s", ".2f"),
    "to_hosts_mb": ("to hosts\nMB", ".3f"),
    "from_hosts_mb": ("from hosts\nMB", ".3f"),
}


def document(
    *,
    started: datetime,
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    rows: Sequence[Row],
    papers: Sequence[Paper],
    rounds: Sequence[Round],
    trial: bool,
    loads: Sequence[float],
) -> dict[str, Any]:
    """All there is to know, the raw figures of each round included."""
    return {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "machine": machine,
        "versions": versions,
        "cases": CASES,
        "playbook_tries": trial,
        "load_before_rounds": loads,
        "summary": [asdict(row) for row in rows],
        "on_paper": [
            asdict(paper) | {"hosts": PAPER, "whole": {name: paper.whole(name) for name in FIGURES}} for paper in papers
        ],
        "rounds": [asdict(each) for each in rounds],
    }


def print_table(
    console: Console,
    *,
    rows: Sequence[Row],
    papers: Sequence[Paper],
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    rounds: int,
    trial: bool,
    loads: Sequence[float],
) -> None:
    """One line for each number of hosts, case and way, and what one must know to read them."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("hosts", justify="right", vertical="bottom")
    for heading in ("case", "by"):
        table.add_column(heading, no_wrap=True, vertical="bottom")
    for heading, _ in COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("\na host", justify="right", no_wrap=True, style="dim")
    for row in sorted(rows, key=lambda row: (row.hosts, tuple(CASES).index(row.case), row.way == "ours")):
        shown = [
            text for name, (_, form) in COLUMNS.items() for text in _pair(row.figures.get(name), form, of=row.hosts)
        ]
        table.add_row(str(row.hosts), row.case, NAMES[row.way], *shown)
        if row.way == "ours":
            ratios = [text for name in COLUMNS for text in (_times(row, name), "")]
            table.add_row("", "", "times", *ratios, style="dim", end_section=True)
    for paper in sorted(papers, key=lambda paper: (tuple(CASES).index(paper.case), paper.way == "ours")):
        shown = [text for name, (_, form) in COLUMNS.items() for text in _pair(paper.whole(name), form, of=PAPER)]
        table.add_row(f"({PAPER})", paper.case, NAMES[paper.way], *shown)
    console.print(table)
    for row in rows:
        if row.missing is not None:
            words = f"{row.hosts} hosts, {row.case}, {NAMES[row.way]}: {row.missing}"
            console.print(words, markup=False, style="red", soft_wrap=True)
    console.print()
    used = "; ".join(versions.values())
    where = f"{machine['cpu']}, {machine['cores']} cores, which controller and hosts share"
    console.print(
        f"{where}. {rounds} round{'' if rounds == 1 else 's'} in turn; medians. {used}.", markup=False, soft_wrap=True
    )
    for note in _notes(rows, papers, loads, trial=trial):
        console.print(note, markup=False, soft_wrap=True)


def _pair(value: float | None, form: str, *, of: int) -> tuple[str, str]:
    """A figure, and what of it is a host's."""
    return (NONE, "") if value is None else (format(value, form), format(value / of, ".3f"))


def _times(row: Row, name: str) -> str:
    return f"{row.times[name]:.1f}" if name in row.times else NONE


def _notes(rows: Sequence[Row], papers: Sequence[Paper], loads: Sequence[float], *, trial: bool) -> list[str]:
    beyond = "Both verify each file and import" if trial else "fab also verifies each file and imports"
    notes = [
        *(f"{case}: {words}." for case, words in CASES.items()),
        "times: how many times as much the playbook takes, the median of each round's ratio.",
        f"Neither makes an archive or keys meanwhile: these were there. {beyond} each module before the switch.",
    ]
    again = [row.release_bytes for row in rows if row.case == "again" and row.release_bytes is not None]
    if again:
        notes.append(f"Where nothing has changed, fab sent {max(again)} bytes of archives; the rest is SSH.")
    if papers:
        few, many = min(row.hosts for row in rows), max(row.hosts for row in rows)
        notes.append(
            f"({PAPER}): on paper, a fixed part and a part for each host, by the line through {few} and {many} hosts. Here the hosts work on the "
            "controller's cores too, which real ones do not."
        )
    if loads and max(loads) > 1:
        words = "before the first one that of what prepared the hosts"
        notes.append(f"The load average before a round was up to {max(loads):.1f}; {words}, else that of others too.")
    return notes
