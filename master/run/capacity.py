"""The fleet that is ready, as the warnings before an open load take it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from master.fleet.registry import Registry
from master.fleet.states import USABLE
from master.load.capacity_hint import Fleet, capacity_warnings
from master.scenario import Scenario


def fleet_warnings(scenario: Scenario, registry: Registry, *, simulated: bool) -> Iterator[str]:
    """Warnings where the arrivals of `scenario` can hardly fit into what the nodes of `registry` carry; none in the closed model.

    `simulated` nodes share this machine.
    """
    if not scenario.open_model:
        return
    usable = [node for node in registry.nodes.values() if node.state in USABLE]
    fleet = Fleet(
        nodes=len(usable),
        capacity=sum(node.capacity.value for node in usable),
        shared_cores=len(os.sched_getaffinity(0)) if simulated else None,
        request_cpu_s=scenario.rack.request_cpu_s if simulated else None,
    )
    yield from capacity_warnings(scenario.open_stages, scenario.thresholds, fleet)
