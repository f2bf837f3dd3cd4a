"""What the controller knows of a node, from its joining to its return."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.fleet.clocks import ClockMap
from master.fleet.registry import KEPT_READINGS, MAX_BEYOND_S, SILENCE_S, Node, Registry
from master.fleet.states import NodeState
from worker.telemetry.conditions import ALL, FREQUENCY_CAPPED, SOFT_LIMITED, THROTTLED, UNDER_VOLTAGE, pack_flags
from worker.wire.messages import Facts, Reading, Sample

FACTS = Facts(simulated=False, model="Pi 4", cpu_count=4, memory_bytes=1, os="o", python="p", piswarm="v")
OURS_S = 5000.0
"""How far our clock is ahead of the node's."""


def sample(
    number: int, temperature_c: float | None = 50.0, *, throttled: bool | None = False, late_s: float = 0.0
) -> Sample:
    """A sample that was due `number` seconds after the node's start."""
    reading = Reading(
        cpu_percent=number,
        memory_percent=1,
        memory_used_bytes=1,
        load_1min=0,
        temperature_c=temperature_c,
        conditions_lately=pack_flags(THROTTLED if throttled else 0, 0 if throttled is None else ALL),
    )
    return Sample(number, number, number + late_s, reading)


def registry(*names: str) -> Registry:
    return Registry(names or ("pi1",))


def state(fleet: Registry, name: str = "pi1") -> NodeState:
    return fleet.nodes[name].state


def test_a_node_joins_is_ready_gets_hot_cools_is_lost_and_returns() -> None:
    """A node goes from joining to ready, hot, running, lost and gone, and joins again, in the order in which events come."""
    fleet = registry()
    assert state(fleet) is NodeState.JOINING
    fleet.node_joined("pi1", FACTS, OURS_S)
    assert state(fleet) is NodeState.JOINING
    fleet.worker_joined("pi1", "pi1_0")
    assert state(fleet) is NodeState.READY
    assert fleet.sample("pi1", sample(1, 79.9), OURS_S + 1) == OURS_S + 1
    assert state(fleet) is NodeState.READY
    fleet.sample("pi1", sample(2, 80.0), OURS_S + 2)
    assert state(fleet) is NodeState.HOT
    fleet.sample("pi1", sample(3, 60.0), OURS_S + 3)
    assert state(fleet) is NodeState.READY
    fleet.note_users("pi1", users=True)
    assert state(fleet) is NodeState.RUNNING
    assert fleet.find_silent(OURS_S + 9) == ["pi1"]
    assert state(fleet) is NodeState.LOST
    fleet.note_users("pi1", users=False)
    assert fleet.sample("pi1", sample(10), OURS_S + 10) == OURS_S + 10
    assert state(fleet) is NodeState.JOINING  # its workers have to present themselves again
    fleet.worker_joined("pi1", "pi1_0")
    assert state(fleet) is NodeState.READY
    assert fleet.ever_lost == {"pi1"}
    fleet.node_left("pi1")
    assert state(fleet) is NodeState.GONE
    assert fleet.find_silent(OURS_S + 99) == []
    fleet.node_joined("pi1", FACTS, OURS_S + 100)
    assert state(fleet) is NodeState.JOINING  # whatever workers it had left with it
    fleet.worker_joined("pi1", "pi1_0")
    assert [(before.value, after.value) for _, before, after in fleet.changes] == [
        ("joining", "ready"),
        ("ready", "hot"),
        ("hot", "ready"),
        ("ready", "running"),
        ("running", "lost"),
        ("lost", "joining"),
        ("joining", "ready"),
        ("ready", "gone"),
        ("gone", "joining"),
        ("joining", "ready"),
    ]


@pytest.mark.parametrize(
    ("temperature_c", "throttled", "expected"),
    [
        pytest.param(None, None, NodeState.READY, id="what has no sensors is not hot"),
        pytest.param(79.9, False, NodeState.READY, id="just below the limit"),
        pytest.param(80.0, False, NodeState.HOT, id="at the limit"),
        pytest.param(60.0, True, NodeState.THROTTLED, id="throttled for whatever reason"),
        pytest.param(None, True, NodeState.THROTTLED, id="throttled at an unknown temperature"),
    ],
)
def test_a_node_is_throttled_or_hot_where_throttling_begins(
    temperature_c: float | None, throttled: bool | None, expected: NodeState
) -> None:
    """A node is hot or throttled by its latest reading alone."""
    fleet = registry()
    fleet.node_joined("pi1", FACTS, OURS_S)
    fleet.worker_joined("pi1", "pi1_0")
    fleet.sample("pi1", sample(0, 99.0, throttled=True), OURS_S)
    fleet.sample("pi1", sample(1, temperature_c, throttled=throttled), OURS_S + 1)
    assert state(fleet) is expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        pytest.param(pack_flags(FREQUENCY_CAPPED), NodeState.THROTTLED, id="a capped clock is held down"),
        pytest.param(pack_flags(SOFT_LIMITED), NodeState.READY, id="at a board's lower limit it is steady"),
        pytest.param(pack_flags(THROTTLED, THROTTLED), NodeState.THROTTLED, id="though nothing else is known"),
        pytest.param(pack_flags(UNDER_VOLTAGE), NodeState.READY, id="a weak supply alone slows nothing down"),
        pytest.param(ALL, NodeState.READY, id="what is not known to be so is not so"),
    ],
)
def test_a_node_is_throttled_when_its_clock_is_held_down_for_whatever_reason(
    conditions: int, expected: NodeState
) -> None:
    """A node is throttled if its clock was held down for any reason since the sample before."""
    fleet = registry()
    fleet.node_joined("pi1", FACTS, OURS_S)
    fleet.worker_joined("pi1", "pi1_0")
    reading = msgspec.structs.replace(sample(0).reading, conditions_lately=conditions)
    fleet.sample("pi1", Sample(0, 0, 0, reading), OURS_S)
    assert state(fleet) is expected


def test_a_worker_without_an_agent_makes_no_node() -> None:
    """A worker without an agent makes no node, and a node whose last worker has gone is ready no more."""
    fleet = registry()
    fleet.worker_joined("pi1", "pi1_0")
    assert state(fleet) is NodeState.JOINING
    fleet.node_joined("pi1", FACTS, 0)
    assert state(fleet) is NodeState.READY
    fleet.worker_left("pi1", "pi1_0")
    assert state(fleet) is NodeState.JOINING


@pytest.mark.parametrize(("silence_s", "lost"), [(SILENCE_S, False), (SILENCE_S + 0.1, True)])
def test_a_node_is_lost_after_three_seconds_of_silence(silence_s: float, lost: bool) -> None:
    """A node is lost after three seconds of silence, since its agent is due to be heard every second."""
    fleet = registry()
    fleet.node_joined("pi1", FACTS, 100)
    assert fleet.find_silent(100 + silence_s) == (["pi1"] if lost else [])


def test_each_lost_node_is_named_once_until_it_returns() -> None:
    """Each lost node is named once until it returns; a node that never came, or that is heard, is not lost."""
    fleet = registry("pi1", "pi2", "pi3")
    fleet.node_joined("pi1", FACTS, 100)
    fleet.node_joined("pi2", FACTS, 102)
    assert fleet.find_silent(104) == ["pi1"]
    assert fleet.find_silent(104) == []
    assert fleet.find_silent(106) == ["pi2"]
    for now_s in (111, 112):
        fleet.note_contact("pi1", now_s)
    assert fleet.find_silent(120) == ["pi1"]
    assert fleet.ever_lost == {"pi1", "pi2"}


def test_what_the_controller_had_no_time_to_hear_is_nobodys_silence() -> None:
    """A node's silence counts from when the controller listens again after it had no time to."""
    fleet = registry()
    fleet.node_joined("pi1", FACTS, 100)
    fleet.note_late_poll(110)
    assert fleet.find_silent(110) == []
    assert fleet.find_silent(110 + SILENCE_S) == []
    assert fleet.find_silent(110.1 + SILENCE_S) == ["pi1"]


def test_a_node_whose_workers_crash_again_and_again_is_kept_apart_until_one_stays() -> None:
    """A node whose workers crash again and again is quarantined, and carries no load, until one stays."""
    fleet = registry()
    fleet.node_joined("pi1", FACTS, 100)
    fleet.worker_joined("pi1", "pi1_0")
    fleet.note_crashing("pi1", crashing=True)
    assert state(fleet) is NodeState.QUARANTINED
    assert fleet.usable == 0
    fleet.note_crashing("pi1", crashing=False)
    assert state(fleet) is NodeState.READY


def test_a_fleet_is_simulated_when_any_of_its_nodes_is() -> None:
    """A fleet is simulated when any of its nodes that have come is, lest its results pass for those of real machines."""
    fleet = registry("pi1", "pi2", "pi3")
    assert not fleet.simulated
    fleet.node_joined("pi1", FACTS, 100)
    assert not fleet.simulated
    fleet.node_joined("pi2", msgspec.structs.replace(FACTS, simulated=True), 100)
    assert fleet.simulated


def test_the_count_has_each_node_in_one_state_and_remembers_the_most_that_were_ready() -> None:
    """Every node is counted in one state, and the peak of ready nodes counts hot ones too."""
    fleet = registry("pi1", "pi2", "pi3", "pi4")
    for name in ("pi1", "pi2", "pi3"):
        fleet.node_joined(name, FACTS, 100)
        fleet.worker_joined(name, f"{name}_0")
    fleet.sample("pi2", sample(1, 85.0), 101)
    none = dict.fromkeys(NodeState, 0)
    assert fleet.counts == none | {NodeState.JOINING: 1, NodeState.READY: 2, NodeState.HOT: 1}
    assert fleet.find_silent(103.5) == ["pi1", "pi3"]
    assert fleet.counts == none | {NodeState.JOINING: 1, NodeState.HOT: 1, NodeState.LOST: 2}
    assert fleet.peak_ready == 3


def test_a_sample_has_the_time_at_which_it_was_due_by_our_clock() -> None:
    """A sample has the time at which it was due on the controller's clock; neither a late message nor a late reading changes it."""
    node = Node("pi1")
    assert node.add(sample(1), OURS_S + 1.5) == pytest.approx(OURS_S + 1.5)
    assert node.add(sample(2), OURS_S + 2) == pytest.approx(OURS_S + 2)
    assert node.add(sample(3), OURS_S + 9) == pytest.approx(OURS_S + 3, abs=0.002)
    assert node.add(sample(4, late_s=2.5), OURS_S + 9) == pytest.approx(OURS_S + 4, abs=0.002)


@pytest.mark.parametrize(
    ("at_s", "within_s", "expected"),
    [(3.0, 1.0, 3), (3.4, 1.0, 3), (3.6, 1.0, 4), (7.0, 3.0, 4), (7.1, 3.0, None), (-9.0, 3.0, None)],
)
def test_a_moments_reading_is_the_nearest_one(at_s: float, within_s: float, expected: int | None) -> None:
    """The reading at a moment is the nearest one, or None when that is too far away."""
    node = Node("pi1")
    assert node.reading_at(OURS_S, within_s=1e9) is None
    for number in (1, 2, 3, 4):
        node.add(sample(number), OURS_S + number)
    reading = node.reading_at(OURS_S + at_s, within_s=within_s)
    assert (None if reading is None else reading.cpu_percent) == expected


def test_only_the_latest_readings_are_kept() -> None:
    """A node keeps only its latest readings, however long a run is."""
    node = Node("pi1")
    for number in range(1000):
        node.add(sample(number), OURS_S + number)
    assert len(node._readings) == KEPT_READINGS


@given(st.floats(-0.05, 0.05), st.lists(st.floats(0, 0.09), min_size=1, max_size=30))
def test_a_nodes_seconds_count_for_seconds_one_by_one(middle_s: float, ways_s: list[float]) -> None:
    """A node's seconds map to consecutive seconds of the run, also when each overlaps two by half and the clock estimate wavers."""
    node = Node("pi1")
    seconds = []
    for second, way_s in enumerate(ways_s):
        node.clock = ClockMap()
        node.clock.observe_reply(second, second - 1000.5 + middle_s, second + way_s)
        seconds.append(node.second_of(second, began_s=7.0))
    assert seconds == list(range(seconds[0], seconds[0] + len(ways_s)))
    assert abs(seconds[0] - (1000.5 - middle_s - 7.0)) <= MAX_BEYOND_S


@given(st.lists(st.floats(0.0, 0.4), min_size=3, max_size=40), st.integers(0, 63))
def test_each_sample_is_of_a_second_of_its_own(ways_s: list[float], phase: int) -> None:
    """Each sample maps to a second of its own, however long messages take and whatever the clock estimate does meanwhile."""
    node = Node("pi1")
    seconds = []
    for number, way_s in enumerate(ways_s):
        due_s = 500 + phase / 64 + number
        node.clock.observe(due_s, due_s + 100 + way_s)
        seconds.append(node.second_of_sample(due_s, began_s=590.25))
    assert seconds == list(range(seconds[0], seconds[0] + len(ways_s)))


def test_a_restarted_node_is_quarantined_no_more() -> None:
    """A restarted node is quarantined no more, since its new agent does not know of the crashes and could not end it."""
    fleet = registry()
    fleet.node_joined("pi1", FACTS, OURS_S)
    fleet.worker_joined("pi1", "pi1_0")
    fleet.note_crashing("pi1", crashing=True)
    assert state(fleet) is NodeState.QUARANTINED
    fleet.node_joined("pi1", FACTS, OURS_S + 60)
    assert state(fleet) is NodeState.READY
    assert fleet.ever_quarantined == {"pi1"}
