"""Load follows what each node can carry: the controller's own parts, with nodes whose temperature follows their users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from played_nodes import Traffic
from played_run import PlayedRun, Troubles

from master.fleet.capacity import MAX_STEPS, RESTORE_INTERVAL_S
from worker.simulation.boards import BOARDS
from worker.simulation.thermal_model import ThermalModel
from worker.telemetry.conditions import THROTTLED, pack_flags
from worker.telemetry.pi.models import THROTTLE_FROM_C
from worker.wire.messages import Reading

NODES, USERS_PER_NODE = 4, 20
NOBODY = Troubles(lost=False, clocks=False, restarts=False)


def sensors(users: Callable[[], int], cooling: str, air: dict[str, float]) -> Callable[[], Reading]:
    """Sensors of a Pi 4 whose cores a fair share of users keeps busy, in air whose temperature the test sets."""
    model = ThermalModel(BOARDS["pi4"], cooling, air["c"])

    def read() -> Reading:
        model.ambient_c = air["c"]
        model.step(1.0, min(1.0, users() / USERS_PER_NODE))
        return Reading(
            cpu_percent=50.0,
            memory_percent=20.0,
            memory_used_bytes=1,
            load_1min=1.0,
            temperature_c=model.temperature_c,
            conditions_lately=pack_flags(THROTTLED if model.throttled else 0),
        )

    return read


@pytest.fixture
def air() -> dict[str, float]:
    return {"c": 30.0}


@pytest.fixture
def run(tmp_path: Path, air: dict[str, float]) -> Iterator[PlayedRun]:
    """A run of four nodes, of which the first has no heat sink."""
    run = PlayedRun(
        tmp_path / "run.db",
        nodes=NODES,
        traffic=Traffic(1),
        step_s=1.0,
        reporters=NODES,
        troubles=NOBODY,
        users_per_node=USERS_PER_NODE,
    )
    for node, cooling in zip(run.nodes, ("bare", "cooled", "cooled", "cooled"), strict=True):
        node.reading = sensors(lambda node=node: sum(node.users.values()), cooling, air)
    with run:
        yield run


def users(run: PlayedRun) -> list[int]:
    return [sum(node.users.values()) for node in run.nodes]


def test_a_hot_node_loses_users_to_the_others_and_gets_them_back_when_it_is_cool(
    run: PlayedRun, air: dict[str, float]
) -> None:
    """A hot node's users move to the others and back when it is cool; all users run always, and it stays below throttling."""
    assert users(run) == [USERS_PER_NODE] * NODES
    hot = run.nodes[0].name
    for _ in range(1200):
        run.step(1.0)
        assert sum(users(run)) == NODES * USERS_PER_NODE
    bare, *others = users(run)
    assert 0.2 * USERS_PER_NODE < bare < 0.7 * USERS_PER_NODE
    assert max(others) - min(others) <= 1
    temperature_c = run.registry.nodes[hot].temperature_c
    assert temperature_c is not None
    assert temperature_c < THROTTLE_FROM_C
    pack_flags = [event for event in run.store.events() if event.kind == "capacity"]
    assert pack_flags
    assert {event.node for event in pack_flags} == {hot}
    assert len(pack_flags) < 2 * MAX_STEPS

    air["c"] = 10.0
    for _ in range(int(2 * RESTORE_INTERVAL_S * MAX_STEPS)):
        run.step(1.0)
    assert users(run) == [USERS_PER_NODE] * NODES


def test_users_are_moved_a_few_at_a_time(run: PlayedRun) -> None:
    """When a node's capacity falls by a step, no second moves more than a part of the users."""
    before = users(run)
    for _ in range(900):
        run.step(1.0)
        now = users(run)
        assert max(0, before[0] - now[0]) <= USERS_PER_NODE // 3
        before = now


def test_a_node_of_which_nothing_is_known_keeps_its_users(run: PlayedRun) -> None:
    """A node without a temperature keeps its users, since unknown is not hot; whether it is fit is for the verdict."""
    run.nodes[0].reading = lambda: Reading(cpu_percent=50.0, memory_percent=20.0, memory_used_bytes=1, load_1min=1.0)
    for _ in range(300):
        run.step(1.0)
    assert users(run) == [USERS_PER_NODE] * NODES
