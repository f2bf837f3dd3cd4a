"""The results: a table for people, a document for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from figures import SETTLED_H, Growth, Hour, reports_of_real_nodes
from rich.console import Console
from rich.table import Table

SCHEMA = "piswarm/bench/memory/1"
COLUMNS = {
    "rss_bytes": "RSS\nMB",
    "size_bytes": "held\nMB",
    "objects": "\nobjects",
    "entries": "\nentries",
    "database_bytes": "run.db\nMB",
    "reports": "\nreports",
    "samples": "\nsamples",
    "lost": "nodes\nlost",
    "restarts": "workers\nrestarted",
}


class Day(NamedTuple):
    """What was played."""

    hours: int
    nodes: int
    endpoints: int
    step_s: int
    """Every so many seconds of the played time each node sends a sample, and `reporters` of them report, in turn."""
    reporters: int


def document(
    *,
    started: datetime,
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    day: Day,
    hours: Sequence[Hour],
    growth: Growth | None,
) -> dict[str, Any]:
    """All there is to know."""
    return {
        "schema": SCHEMA,
        "started_at": started.isoformat(timespec="seconds"),
        "machine": machine,
        "versions": versions,
        "day": day._asdict(),
        "reports_of_real_nodes": reports_of_real_nodes(day.nodes, day.hours),
        "growth_per_hour": None if growth is None else asdict(growth),
        "hours": [asdict(each) for each in hours],
    }


def print_table(
    console: Console,
    *,
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    day: Day,
    hours: Sequence[Hour],
    growth: Growth | None,
) -> None:
    """One line for each hour, and what one must know to read them."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("hour", justify="right", vertical="bottom")
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    for each in hours:
        table.add_row(str(each.hour), *(_shown(name, getattr(each, name)) for name in COLUMNS))
    console.print(table)
    console.print()
    for note in _notes(machine, versions, day, hours, growth):
        console.print(note, markup=False, highlight=False)


def _shown(name: str, value: int) -> str:
    return f"{value / 1e6:.1f}" if name.endswith("bytes") else f"{value}"


def _notes(
    machine: Mapping[str, Any], versions: Mapping[str, str], day: Day, hours: Sequence[Hour], growth: Growth | None
) -> list[str]:
    last, real = hours[-1], reports_of_real_nodes(day.nodes, day.hours)
    grown = (
        f"too few hours to tell growth: at least {SETTLED_H + 2} are needed."
        if growth is None
        else f"growth from hour {SETTLED_H} on, an hour: RSS {growth.rss_bytes / 1e6:+.3f} MB, held {growth.size_bytes / 1e6:+.4f} MB, "
        f"{growth.objects:+.1f} objects, {growth.entries:+.1f} entries."
    )
    return [
        grown,
        f"{machine['cpu']}, {machine['cores']} cores; {'; '.join(versions.values())}; {sum(each.took_s for each in hours):.0f} s.",
        f"{day.nodes} nodes, {day.endpoints} endpoints, {day.hours} h, played: time is a parameter, and nothing goes over a wire.",
        (
            f"Every {day.step_s} s of that time each node sent a sample and {day.reporters} workers a report of their last 2 s, in turn; "
            "in the last 20 s of each hour every second."
        ),
        (
            f"So {last.reports} reports were taken, of the {real} that real workers send in that time: "
            f"a thing kept of each would be {last.reports / day.hours:+.0f} entries an hour."
        ),
        "Each has 10 errors never seen before. In most steps some node was lost, some wall clock set, some worker started anew.",
        "The nodes show few different figures for CPU and memory, so that the counters of these are soon full; real ones fill more.",
        "RSS: of the whole process, the played nodes included. held: all objects of the controller, by a walk over them; numbers",
        "left out. entries: of all its containers; of texts, characters.",
    ]
