"""Where an RDP server is put, which port it gets, and what can happen to it."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.rdp.allocation import Candidate, Resources, best_fit, has_room
from master.target.rdp.ports import SYSTEM_PORTS, PortPool, PortRange, parse_port_range
from master.target.rdp.states import TRANSITIONS, ServerEvent, ServerState, next_state

PI_4 = Resources(4, 4096, 32_768)
PI_5 = Resources(4, 8192, 65_536)
SMALL = Resources(1, 512, 1024)

resources = st.builds(Resources, st.integers(0, 8), st.integers(0, 8192), st.integers(0, 65_536))
nodes = st.lists(
    st.builds(Candidate, st.sampled_from("abcdefgh"), resources, resources),
    max_size=8,
    unique_by=lambda node: node.name,
)


def test_a_server_goes_where_it_leaves_the_least() -> None:
    """A node that is half full is filled before an empty one is begun."""
    half_full = Candidate("b", PI_4, Resources(2, 2048, 16_384))
    assert best_fit([Candidate("a", PI_4, PI_4), half_full, Candidate("c", PI_5, PI_5)], SMALL) is half_full


def test_equal_nodes_are_taken_in_the_order_of_their_names() -> None:
    """The same fleet gives the same allocation, whatever the order in which it was read."""
    fleet = [Candidate(name, PI_4, PI_4) for name in "dacb"]
    assert best_fit(fleet, SMALL).name == "a"


def test_a_node_without_room_for_every_part_is_none() -> None:
    """Enough memory does not make up for a missing core."""
    assert best_fit([Candidate("a", PI_4, Resources(0, 4096, 32_768))], SMALL) is None
    assert best_fit([], SMALL) is None


@given(nodes, resources, st.randoms(use_true_random=False))
def test_the_best_fit_has_room_and_does_not_depend_on_the_order(
    fleet: list[Candidate], needed: Resources, order: random.Random
) -> None:
    """Whatever is chosen can hold the server; nothing is chosen only where nothing can."""
    chosen = best_fit(fleet, needed)
    fitting = [node for node in fleet if has_room(node.free, needed)]
    assert (chosen in fitting) if fitting else chosen is None
    order.shuffle(fleet)
    assert best_fit(fleet, needed) == chosen


@pytest.mark.parametrize(("text", "expected"), [("20000-21999", PortRange(20_000, 21_999)), ("0", SYSTEM_PORTS)])
def test_port_ranges_are_parsed(text: str, expected: PortRange) -> None:
    """A range, or 0 for the system's choice."""
    assert parse_port_range(text) == expected


@pytest.mark.parametrize("text", ["", "20000", "80-90", "3-2", "20001-20000", "1024-65536", "a-b", "٣-٤", "-", "0-0"])
def test_what_is_no_range_of_ports_is_refused(text: str) -> None:
    """With a message that quotes it."""
    with pytest.raises(ValueError, match="is no"):
        parse_port_range(text)


def test_ports_are_given_out_once_and_the_longest_unused_first() -> None:
    """A port that came back waits until the others had their turn."""
    pool = PortPool(PortRange(5000, 5002))
    for expected in (5000, 5001):
        port = next(pool.candidates())
        assert port == expected
        pool.take(port)
    pool.give_back(5000)
    assert list(pool.candidates()) == [5002, 5000]
    with pytest.raises(ValueError, match="taken"):
        pool.take(5001)
    pool.take(5002)
    pool.take(5000)
    assert (list(pool.candidates()), pool.taken) == ([], 3)


def test_two_targets_that_share_a_range_begin_apart() -> None:
    """Wherever one begins, it has all of the range."""
    assert list(PortPool(PortRange(5000, 5002), begin=7).candidates()) == [5001, 5002, 5000]


def test_the_system_chooses_any_number_of_ports() -> None:
    """The range 0 is never used up."""
    pool = PortPool(SYSTEM_PORTS)
    pool.take(40_000)
    assert list(pool.candidates()) == [0]


def test_every_state_can_be_reached_and_a_deleted_server_stays_deleted() -> None:
    """The table has no island and no way back."""
    reached = {ServerState.CREATED}
    for _ in ServerState:
        reached |= {following for (state, _), following in TRANSITIONS.items() if state in reached}
    assert reached == set(ServerState)
    assert not [event for state, event in TRANSITIONS if state is ServerState.DELETED]


def test_whatever_is_not_in_the_table_can_not_happen() -> None:
    """For instance a running server is not deleted."""
    for state, event in itertools.product(ServerState, ServerEvent):
        assert next_state(state, event) == TRANSITIONS.get((state, event))
    assert next_state(ServerState.RUNNING, ServerEvent.DELETE) is None


def test_no_server_listens_after_its_process() -> None:
    """Whatever had or was about to have a socket is stopped when the process ends."""
    for state in (ServerState.STARTING, ServerState.RUNNING, ServerState.STOPPING):
        assert next_state(state, ServerEvent.PROCESS_ENDED) is ServerState.STOPPED
