"""The state of a run for its metrics, put together from what the controller knows now."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from master.fleet.master import FleetMaster
from master.fleet.registry import Registry
from master.run.collect.collector import Collector
from master.run.live_view import Snapshot
from master.run.storage import StorageMonitor
from master.web.metrics.state import DiskFigures, LiveState, NodeFigures
from worker.wire.messages import node_of


def live_state(  # noqa: PLR0917  # each of its own type
    run: str,
    scenario: str,
    snapshot: Snapshot,
    collector: Collector,
    registry: Registry,
    master: FleetMaster,
    storage: StorageMonitor | None,
) -> LiveState:
    """The state of the run named `run`, which the terminal shows as `snapshot`."""
    arrivals, fitness = snapshot.arrivals, collector.fitness
    measured = fitness.requests_fit + fitness.requests_unfit
    return LiveState(
        run=run,
        scenario=scenario,
        offset_s=snapshot.offset_s,
        left_s=snapshot.left_s if snapshot.left_s is not None and math.isfinite(snapshot.left_s) else None,
        users=snapshot.users,
        users_planned=snapshot.users_planned,
        nodes={state.value: count for state, count in registry.counts.items()},
        requests=collector.totals.rows,
        latencies=collector.totals.latencies,
        service_times=None if arrivals is None else collector.totals.service_times,
        in_flight={
            endpoint: (waiting.count, waiting.ages.max_ms / 1000) for endpoint, waiting in collector.in_flight().items()
        },
        exceptions=collector.user_classes.exceptions,
        arrivals=None if arrivals is None else collector.totals.arrivals,
        offered=None if arrivals is None else collector.timeline.offered_since_start(snapshot.offset_s),
        dropped=master.server.drops + collector.dropped + collector.agents.dropped,
        reports=collector.report_acks.accepted,
        workers_restarted=collector.agents.restarts,
        excluded_share=fitness.requests_unfit / measured if measured else None,
        interim=collector.interim,
        disk=None if storage is None else DiskFigures(storage.free_bytes, storage.needed_bytes),
        controller=collector.agents.controller.reading,
        each_node=lambda: _nodes(registry, master),
    )


def _nodes(registry: Registry, master: FleetMaster) -> Iterator[NodeFigures]:
    users = Counter[str]()
    for worker, client in master.clients.items():
        users[node_of(worker)] += sum(client.user_classes_count.values())
    for name, node in registry.nodes.items():
        lag_ms = max(node.latest_lag_ms.values(), default=None)
        yield NodeFigures(
            name,
            node.state.value,
            users[name] if node.workers else None,
            None if lag_ms is None else lag_ms / 1000,
            node.wall_offset_s,
            node.reading,
        )
