"""Which board each simulated node stands for: mixed evenly, the same for the same seed, and at some place in the rack."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.run.processes.local import node_names
from master.run.processes.simulated_boards import assign_boards, distribute_kinds
from master.scenario import SimulatedRack
from master.scenario.model import DEFAULT_FLEET
from worker.simulation.boards import BOARDS, KINDS

MIXED = {"pi4-bare": 200, "pi5-cooled": 250, "zero2w": 50}


@given(
    st.dictionaries(st.sampled_from(sorted(KINDS)), st.floats(0.01, 1000), min_size=1, max_size=6), st.integers(0, 300)
)
def test_a_fleet_is_mixed_as_its_weights_say(fleet: dict[str, float], count: int) -> None:
    """A fleet is mixed by its weights, as near as whole nodes allow."""
    dealt = Counter(distribute_kinds(fleet, count))
    assert sum(dealt.values()) == count
    most = max((dealt[kind] - 0.5) / weight for kind, weight in fleet.items())
    least = min((dealt[kind] + 0.5) / weight for kind, weight in fleet.items())
    assert count == 0 or most <= least * (1 + 1e-9)


def test_a_small_fleet_is_the_beginning_of_a_large_one() -> None:
    """A small fleet is the beginning of a large one, in the same proportions."""
    assert Counter(distribute_kinds(MIXED, 500)) == MIXED
    assert Counter(distribute_kinds(MIXED, 20)) == {"pi4-bare": 8, "pi5-cooled": 10, "zero2w": 2}
    assert distribute_kinds(MIXED, 500)[:20] == distribute_kinds(MIXED, 20)


def test_unless_told_every_other_node_is_a_pi_5() -> None:
    """By default every other node is a Pi 5 and the others Pi 4s with a heat sink, at real speed and with good supplies."""
    found = list(assign_boards(DEFAULT_FLEET, SimulatedRack(), 0, node_names(6)).values())
    assert [(board.board, board.cooling) for board in found] == [("pi4", "heatsink"), ("pi5", "cooled")] * 3
    assert {(board.supply_w, board.thermal_speed, board.request_cpu_s) for board in found} == {(None, 1.0, None)}


def test_places_in_the_rack_are_as_warm_as_the_scenario_says() -> None:
    """Places in the rack are spread between the coolest and warmest air of the scenario, by the run's seed and the node's name."""
    rack, nodes = SimulatedRack(ambient_c=35.0, spread_c=10.0), node_names(300)
    found = assign_boards(MIXED, rack, 7, nodes)
    ambient_c = [board.ambient_c for board in found.values()]
    assert 35 <= min(ambient_c) < 36
    assert 44 < max(ambient_c) <= 45
    assert assign_boards(MIXED, rack, 7, nodes) == found
    assert [board.ambient_c for board in assign_boards(MIXED, rack, 8, nodes).values()] != ambient_c
    assert list(found) == nodes


@pytest.mark.parametrize(("percent", "weak"), [(0, 0), (10, 5), (12.5, 6), (100, 50)])
def test_so_many_nodes_have_a_weak_supply(percent: float, weak: int) -> None:
    """The given share of nodes has a supply with less than the board needs under load and more than it needs at rest."""
    found = assign_boards(MIXED, SimulatedRack(weak_supply_percent=percent), 3, node_names(50))
    supplies = [(BOARDS[board.board], board.supply_w) for board in found.values() if board.supply_w is not None]
    assert len(supplies) == weak
    for board, supply_w in supplies:
        assert board.idle_w < supply_w < board.load_w


def test_what_else_the_rack_says_goes_to_every_node() -> None:
    """The rack's speed of the thermal model and cost of a request apply to every node."""
    found = assign_boards(MIXED, SimulatedRack(request_cpu_s=0.02, thermal_speed=10.0), 0, node_names(9))
    assert {(board.request_cpu_s, board.thermal_speed) for board in found.values()} == {(0.02, 10.0)}
