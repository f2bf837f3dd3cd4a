"""The life of a session."""

import itertools

import pytest

from master.target.api.errors import ApiError
from master.target.sessions.messages import State
from master.target.sessions.router import TRANSITIONS, SessionEvent, next_state


@pytest.mark.parametrize(
    ("state", "event", "following"),
    [
        (State.CREATED, SessionEvent.CHUNK, State.RECORDING),
        (State.RECORDING, SessionEvent.CHUNK, State.RECORDING),
        (State.CREATED, SessionEvent.CLOSE, State.CLOSED),
        (State.RECORDING, SessionEvent.CLOSE, State.CLOSED),
    ],
)
def test_what_can_happen(state: State, event: SessionEvent, following: State) -> None:
    assert next_state(state, event) is following


def test_whatever_is_not_in_the_table_is_a_conflict() -> None:
    for state, event in set(itertools.product(State, SessionEvent)) - set(TRANSITIONS):
        with pytest.raises(ApiError, match=f"session is {state.value}") as caught:
            next_state(state, event)
        assert caught.value.status == 409


def test_every_state_can_be_reached_and_a_closed_session_stays_closed() -> None:
    reached = {State.CREATED}
    for _ in State:
        reached |= {following for (state, _), following in TRANSITIONS.items() if state in reached}
    assert reached == set(State)
    assert not [event for state, event in TRANSITIONS if state is State.CLOSED]
