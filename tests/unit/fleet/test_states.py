"""The life of a node: the table, and what it makes of a node's condition."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.fleet.states import TABLE, USABLE, Condition, NodeEvent, NodeState, diagram, settle, step

conditions = st.builds(
    Condition,
    welcomed=st.booleans(),
    workers=st.integers(0, 2),
    users=st.booleans(),
    hot=st.booleans(),
    slowed=st.booleans(),
    crashing=st.booleans(),
    silent=st.booleans(),
    left=st.booleans(),
)


@given(st.lists(conditions, min_size=1, max_size=8))
def test_where_a_node_is_depends_on_its_condition_alone(before: list[Condition]) -> None:
    """However it came there, it comes to rest, where a node in this condition that has just begun would be."""
    state = NodeState.JOINING
    for condition in before:
        state = settle(state, condition)
    assert state is settle(NodeState.JOINING, before[-1])


@given(conditions)
def test_only_a_whole_node_is_usable(condition: Condition) -> None:
    """With agent and worker, heard, and not crashing; however warm."""
    whole = condition.complete and not (condition.silent or condition.left or condition.crashing)
    assert (settle(NodeState.JOINING, condition) in USABLE) is whole


@pytest.mark.parametrize("state", NodeState)
@pytest.mark.parametrize("event", NodeEvent)
def test_what_the_table_does_not_name_changes_nothing(state: NodeState, event: NodeEvent) -> None:
    """And every way in it leads somewhere else."""
    assert step(state, event) is TABLE.get((state, event), state)
    assert TABLE.get((state, event)) is not state


@pytest.mark.parametrize("goal", NodeState)
def test_every_state_can_be_reached_and_left(goal: NodeState) -> None:
    """None is a trap, not even gone."""
    reached = {NodeState.JOINING}
    while more := {to for (state, _), to in TABLE.items() if state in reached} - reached:
        reached |= more
    assert goal in reached
    assert any(state is goal for state, _ in TABLE)


def test_the_readme_shows_this_table() -> None:
    """The diagram is made from it: `python -m master.fleet.states` prints it."""
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    assert diagram() in readme
