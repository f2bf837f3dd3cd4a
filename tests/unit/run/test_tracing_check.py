"""Which nodes a run with tracing refuses, and when."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from master.errors import AbortError
from master.fleet.registry import Node
from master.run.real_nodes.naming import NAMING_S
from master.run.real_nodes.tracing_check import TracingCheck
from worker.wire.messages import Facts

FACTS = Facts(
    simulated=False, model="Raspberry Pi 4", cpu_count=4, memory_bytes=4 << 30, os="Debian", python="3.11", piswarm="0"
)


def fleet(**can: bool | None) -> dict[str, Node]:
    """Nodes that can export spans, or can't, or have not come yet (None)."""
    nodes = {name: Node(name) for name in can}
    for name, tracing in can.items():
        nodes[name].facts = None if tracing is None else replace(FACTS, tracing=tracing)
    return nodes


def test_all_nodes_that_lack_it_are_named_in_one_message() -> None:
    """Once all are here, at once; those that have it are not named."""
    with pytest.raises(AbortError, match="not installed on pi1, pi3") as refused:
        TracingCheck(wanted=True).check(fleet(pi1=False, pi2=True, pi3=False), 5.0, begins=False)
    assert "fab deploy-workers --scenario FILE" in refused.value.hint


def test_nodes_that_are_still_to_come_are_waited_for_a_little() -> None:
    """One node's lack is told no later than NAMING_S after it is known."""
    check, nodes = TracingCheck(wanted=True), fleet(pi1=False, pi2=None)
    check.check(nodes, 5.0, begins=False)
    check.check(nodes, 5.0 + NAMING_S - 0.1, begins=False)
    with pytest.raises(AbortError, match=r"not installed on pi1$"):
        check.check(nodes, 5.0 + NAMING_S, begins=False)


def test_no_load_begins_on_nodes_that_lack_it() -> None:
    """Whatever else is still to come."""
    with pytest.raises(AbortError, match=r"not installed on pi1$"):
        TracingCheck(wanted=True).check(fleet(pi1=False, pi2=None), 5.0, begins=True)


def test_a_run_without_tracing_asks_for_nothing() -> None:
    TracingCheck(wanted=False).check(fleet(pi1=False), 5.0, begins=True)


def test_a_large_fleet_is_named_in_part() -> None:
    """Ten names, and how many more there are."""
    with pytest.raises(AbortError, match=r"pi9 and 90 more$"):
        TracingCheck(wanted=True).check(fleet(**{f"pi{n}": False for n in range(100)}), 5.0, begins=False)
