"""The users of an open stage are there before it begins, and as long as arrivals are dealt to them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from master.load.arrival_plan import stage_times
from master.load.pool import pool_changes
from master.scenario.load_stages import OpenStage

BEFORE_S = 6.0
DEALT_S = 2.0


def stage(max_users: int, hold_s: float, ramp_s: float = 0.0) -> OpenStage:
    return OpenStage(rate_per_s=100.0, max_users=max_users, hold_s=hold_s, ramp_s=ramp_s)


def changes(*stages: OpenStage) -> list[tuple[float, int]]:
    return [tuple(change) for change in pool_changes(stages, BEFORE_S, DEALT_S)]


def test_a_pool_grows_before_its_stage_also_over_short_ones() -> None:
    """Users are started six seconds ahead of the stage that needs them, however short the stages before it are."""
    assert changes(stage(6, 8.0), stage(6, 1.0), stage(300, 5.0)) == [(0.0, 6), (3.0, 300)]
    assert changes(stage(6, 1.0), stage(300, 5.0)) == [(0.0, 300)]


def test_a_pool_shrinks_when_the_arrivals_of_its_stage_are_dealt() -> None:
    """No arrival of a stage is dealt to the fewer users of the next one, who could not start them all."""
    assert changes(stage(30, 12.0), stage(1, 8.0)) == [(0.0, 30), (10.0, 1)]


def test_stages_with_as_many_users_change_nothing() -> None:
    """Neither ramps nor holds of no length make a change."""
    assert changes(stage(30, 12.0, ramp_s=3.0), stage(30, 0.0), stage(30, 8.0)) == [(0.0, 30)]


@given(st.lists(st.builds(stage, st.integers(1, 9), st.floats(0, 20), st.floats(0, 9)), min_size=1, max_size=9))
def test_there_are_never_fewer_users_than_a_stage_needs(stages: list[OpenStage]) -> None:
    """From six seconds before a stage until its arrivals are dealt there are at least its users, and never more than any has."""
    found = changes(*stages)
    assert found[0][0] == 0
    assert all(users <= max(each.max_users for each in stages) for _, users in found)
    for each, time in zip(stages, stage_times(stages), strict=True):
        begin_s, end_s = max(0.0, time.start_s - BEFORE_S), time.end_s - DEALT_S
        if begin_s < end_s:
            there = [users for plan_s, users in found if plan_s <= begin_s][-1:]
            there += [users for plan_s, users in found if begin_s < plan_s < end_s]
            assert min(there) >= each.max_users
