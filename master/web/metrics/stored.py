"""The state of a run for Prometheus as run.db has it, for a page that shows runs and has no run itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from master.judge.interim import Interim
from master.nodes.now import FleetNow, NodeNow
from master.web.metrics.state import LiveState, NodeFigures, RequestTotals
from worker.wire.messages import Reading


def stored_state(scenario: str, state: dict[str, Any], totals: RequestTotals, fleet: FleetNow) -> LiveState:
    """What run.db says of the run: not what its controller alone knows, such as its disk, or how many users are planned."""
    interim = None if state["interim"] is None else msgspec.convert(state["interim"], Interim)
    open_model = bool(totals.arrivals.started or totals.arrivals.missed)
    return LiveState(
        run=fleet.run,
        scenario=scenario,
        offset_s=state["offset_s"] or 0.0,
        left_s=None if interim is None else interim.left_s,
        users=state["users"] or 0,
        users_planned=None,
        nodes=state["nodes"],
        requests=totals.rows,
        latencies=totals.latencies,
        service_times=totals.service_times if open_model else None,
        arrivals=totals.arrivals if open_model else None,
        interim=interim,
        reports=None,
        workers_restarted=None,
        each_node=lambda: _nodes(fleet),
    )


def _nodes(fleet: FleetNow) -> Iterator[NodeFigures]:
    for node in fleet.nodes:
        yield NodeFigures(
            node.node,
            node.state or "unknown",
            node.users,
            None,
            node.wall_offset_s,
            _reading(node) if node.fresh else None,
        )


def _reading(node: NodeNow) -> Reading | None:
    if node.cpu_percent is None or node.memory_percent is None:
        return None
    known = [(bit, holds) for bit, holds in enumerate(node.conditions) if holds is not None]
    flags = sum(1 << bit + 4 | holds << bit for bit, holds in known)
    return Reading(
        cpu_percent=node.cpu_percent,
        memory_percent=node.memory_percent,
        memory_used_bytes=0,
        load_1min=0.0,
        temperature_c=node.temperature_c,
        frequency_hz=node.frequency_hz,
        conditions_lately=flags,
    )
