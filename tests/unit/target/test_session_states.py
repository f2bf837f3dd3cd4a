"""The life of a session."""

import itertools
import re

import pytest

from master.target.api.errors import ApiError
from master.target.sessions import states
from master.target.sessions.states import TRANSITIONS, SessionEvent, State, next_state


def test_the_table_is_what_its_description_says() -> None:
    """The module's docstring lists each step as `state ── event ──► state`; these are the table's, all and no others."""
    written = re.findall(r"^ +(\w+) +── (\w+) ──► (\w+)$", states.__doc__, re.MULTILINE)
    assert {(State(old), SessionEvent(event)): State(new) for old, event, new in written} == TRANSITIONS
    assert len(written) == len(TRANSITIONS)


def test_what_is_in_the_table_can_happen() -> None:
    """A step of the table leads where the table says."""
    for (state, event), following in TRANSITIONS.items():
        assert next_state(state, event) is following


def test_whatever_is_not_in_the_table_is_a_conflict() -> None:
    """All other steps are refused with 409 and the state that forbids them."""
    for state, event in set(itertools.product(State, SessionEvent)) - set(TRANSITIONS):
        with pytest.raises(ApiError, match=f"session is {state.value}") as caught:
            next_state(state, event)
        assert caught.value.status == 409


def reachable(start: State) -> set[State]:
    """The states that a session may come to, however many steps it takes."""
    reached = {start}
    for _ in State:
        reached |= {following for (state, _), following in TRANSITIONS.items() if state in reached}
    return reached


def test_every_state_can_be_reached() -> None:
    """A new session may come to every state."""
    assert reachable(State.CREATED) == set(State)


@pytest.mark.parametrize("state", State)
def test_every_session_can_be_anchored_yet(state: State) -> None:
    """No state is a dead end but the last: a failed session, too, may still be anchored."""
    assert State.ANCHORED in reachable(state)
    assert bool([event for old, event in TRANSITIONS if old is state]) == (state is not State.ANCHORED)
