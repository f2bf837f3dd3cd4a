"""The table of nodes: how each did over the whole run, those in most trouble first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from master.formatting import natural
from master.judge.seconds.unfit_nodes import UnfitNode
from master.report.fleet import FleetMap
from worker.telemetry.conditions import ALL


@dataclass(frozen=True)
class NodeRow:
    """One node; None is unknown."""

    name: str
    board: str
    unfit_s: int
    excluded: int
    """Requests."""
    lag_max_ms: float | None
    """The largest of a worker's event loop while the node was unfit."""
    flagged_s: int | None
    """How long a throttling flag was set."""
    highest_c: float | None
    lowest_clock_percent: int | None
    """Of the highest clock that any node of its model showed."""
    cpu_percent_max: float | None
    users: int | None
    """At the end of the steady part."""


def nodes_table(fleet: FleetMap, unfit: Iterable[UnfitNode]) -> list[NodeRow]:
    """A row for each node of the fleet."""
    unfit_by_name = {node.name: node for node in unfit}
    rows = []
    for track in fleet.tracks:
        trouble = unfit_by_name.get(track.name)
        known = any(flags >> 4 & ALL for flags in track.samples_by_flags)
        rows.append(
            NodeRow(
                track.name,
                track.model,
                trouble.seconds if trouble else 0,
                trouble.requests if trouble else 0,
                trouble.lag_max_ms if trouble else None,
                track.flagged * fleet.period_s if known else None,
                track.highest_c,
                None if track.lowest_hz is None or not track.full_hz else round(100 * track.lowest_hz / track.full_hz),
                max((value for value in track.cpu_percent if value is not None), default=None),
                track.users_last,
            )
        )
    return sorted(
        rows, key=lambda row: (-row.unfit_s, -(row.flagged_s or 0), -(row.highest_c or 0.0), natural(row.name))
    )
