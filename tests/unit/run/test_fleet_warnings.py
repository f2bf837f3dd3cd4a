"""Before a load of arrivals begins, the nodes that are ready are asked for what they carry."""

from __future__ import annotations

from dataclasses import replace

from master.fleet.registry import Registry
from master.run.capacity import fleet_warnings
from master.scenario import OpenStage, Scenario, SimulatedRack, Stage
from worker.wire.messages import Facts
from worker.wire.work import UserShare

FACTS = Facts(
    simulated=False,
    model="Raspberry Pi 4 Model B Rev 1.4",
    cpu_count=4,
    memory_bytes=1,
    os="o",
    python="p",
    piswarm="v",
)
OPEN = Scenario("s", "embedded", {"A": UserShare(weight=1)}, (OpenStage(10_000, 10_000, 60),))


def ready(count: int, absent: int = 0) -> Registry:
    fleet = Registry([f"pi{number}" for number in range(count + absent)])
    for number in range(count):
        fleet.node_joined(f"pi{number}", FACTS, 0)
        fleet.worker_joined(f"pi{number}", f"pi{number}_0")
    return fleet


def test_nodes_that_are_ready_count_with_what_they_carry() -> None:
    """Two nodes with four cores of a Pi 4 carry 16700/s, one of them does not carry 10000/s, whoever else is expected."""
    assert list(fleet_warnings(OPEN, ready(2), simulated=False)) == []
    (warning,) = fleet_warnings(OPEN, ready(1, absent=9), simulated=False)
    assert warning.startswith(
        "the load reaches 10000/s, and the node carries about 8300/s (4 cores of a Pi 4), at one request an arrival: "
    )


def test_simulated_nodes_share_this_machine_and_cost_what_the_scenario_says() -> None:
    """A fleet of any size is no larger than the machine that it is simulated on."""
    (warning,) = fleet_warnings(replace(OPEN, load=(OpenStage(9e6, 10**7, 60),)), ready(900), simulated=True)
    assert "of this machine, which simulates all nodes" in warning
    dear = replace(OPEN, rack=SimulatedRack(request_cpu_s=0.1))
    (warning,) = fleet_warnings(dear, ready(2), simulated=True)
    assert "the 2 nodes carry about 80/s (8 cores of a Pi 4)" in warning
    assert list(fleet_warnings(dear, ready(2), simulated=False)) == []


def test_users_who_wait_for_their_answers_always_fit() -> None:
    """In the closed model there is no rate that has to be reached."""
    assert list(fleet_warnings(replace(OPEN, load=(Stage(10**6, 1000, 60),)), ready(1), simulated=False)) == []
