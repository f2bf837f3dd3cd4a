"""What a run says while it waits for its fleet, and which nodes it refuses."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from master.fleet.registry import Node
from master.run.start_fleet import describe_wait, nodes_without_tracing
from worker.wire.messages import Facts

FACTS = Facts(
    simulated=False, model="Raspberry Pi 4", cpu_count=4, memory_bytes=4 << 30, os="Debian", python="3.11", piswarm="0"
)


@pytest.mark.parametrize(
    ("workers_missing", "controller_present", "said"),
    [
        (0, True, "waiting for nodes: 3 of 3 ready"),
        (2, True, "waiting for nodes: 3 of 3 ready, 2 worker(s) still to come"),
        (0, False, "waiting for nodes: 3 of 3 ready, the controller's own agent still to come"),
        (2, False, "waiting for nodes: 3 of 3 ready, 2 worker(s) and the controller's own agent still to come"),
    ],
)
def test_a_wait_names_all_that_is_missing(workers_missing: int, controller_present: bool, said: str) -> None:
    """A run whose nodes are all there still waits for their workers, and for the agent that samples the controller's machine."""
    assert describe_wait(3, 3, workers_missing=workers_missing, controller_present=controller_present) == said


def test_nodes_that_can_export_no_spans_are_named_once_they_are_here() -> None:
    """A node that has not said yet what it has may still have OpenTelemetry."""
    nodes = {name: Node(name) for name in ("pi001", "pi002", "pi003")}
    nodes["pi001"].facts, nodes["pi002"].facts = FACTS, replace(FACTS, tracing=True)
    assert nodes_without_tracing(nodes) == ["pi001"]
