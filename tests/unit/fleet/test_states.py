"""The state machine of a node: its table, and the state that follows from a node's condition."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.fleet.states import TABLE, USABLE, Condition, NodeEvent, NodeState, diagram, settle, step

conditions = st.builds(
    Condition,
    joined=st.booleans(),
    workers=st.integers(0, 2),
    users=st.booleans(),
    hot=st.booleans(),
    throttled=st.booleans(),
    crashing=st.booleans(),
    silent=st.booleans(),
    left=st.booleans(),
)


@given(st.lists(conditions, min_size=1, max_size=8))
def test_where_a_node_is_depends_on_its_condition_alone(before: list[Condition]) -> None:
    """A node comes to rest in the state that its condition gives from the beginning, whatever the states before."""
    state = NodeState.JOINING
    for condition in before:
        state = settle(state, condition)
    assert state is settle(NodeState.JOINING, before[-1])


@given(conditions)
def test_only_a_whole_node_is_usable(condition: Condition) -> None:
    """A node is usable if it has an agent and a worker, is heard and does not crash, however warm it is."""
    whole = condition.complete and not (condition.silent or condition.left or condition.crashing)
    assert (settle(NodeState.JOINING, condition) in USABLE) is whole


@pytest.mark.parametrize("state", NodeState)
@pytest.mark.parametrize("event", NodeEvent)
def test_what_the_table_does_not_name_changes_nothing(state: NodeState, event: NodeEvent) -> None:
    """An event that the table does not name changes no state, and every entry of the table leads to another state."""
    assert step(state, event) is TABLE.get((state, event), state)
    assert TABLE.get((state, event)) is not state


@pytest.mark.parametrize("goal", NodeState)
def test_every_state_can_be_reached_and_left(goal: NodeState) -> None:
    """Every state, also gone, can be reached and left."""
    reached = {NodeState.JOINING}
    while more := {to for (state, _), to in TABLE.items() if state in reached} - reached:
        reached |= more
    assert goal in reached
    assert any(state is goal for state, _ in TABLE)


def test_the_readme_shows_this_table() -> None:
    """The README shows the diagram that `python -m master.fleet.states` makes from the table."""
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    assert diagram() in readme
