"""The schedule gives the users due at any offset, and the shift by ramps that took longer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.load.schedule import LoadSchedule, Position, Progress, Segment, whole_seconds
from master.scenario import Stage

# Up to 100 in 10 s, hold 60 s; down to 20 in 16 s, hold 30 s; empty in 2 s, hold 5 s.
STAGES = (Stage(100, 10, 60), Stage(20, 5, 30), Stage(0, 10, 5))
PLAN = LoadSchedule(STAGES)

stages = st.lists(
    st.builds(Stage, st.integers(0, 1000), st.floats(0.5, 100), st.floats(0, 1000)), min_size=1, max_size=6
).filter(lambda stages: any(stage.users and stage.hold_s for stage in stages))


def test_the_segments_are_ramps_and_holds_up_and_down() -> None:
    assert PLAN.segments == [
        Segment(0, 10, "ramp", 0, 100, 10, 0),
        Segment(10, 70, "hold", 100, 100, 10, 0),
        Segment(70, 86, "ramp", 100, 20, 5, 1),
        Segment(86, 116, "hold", 20, 20, 5, 1),
        Segment(116, 118, "ramp", 20, 0, 10, 2),
        Segment(118, 123, "hold", 0, 0, 10, 2),
    ]
    assert PLAN.total_s == 123


@pytest.mark.parametrize(
    ("offset_s", "expected"),
    [
        pytest.param(-1, Position(0, "ramp", 0, 70, 123), id="before the start"),
        pytest.param(0, Position(0, "ramp", 0, 70, 123), id="the start"),
        pytest.param(5.05, Position(0, "ramp", 50, 64.95, 117.95), id="half way up"),
        pytest.param(10, Position(0, "hold", 100, 60, 113), id="the first moment of a hold"),
        pytest.param(71, Position(1, "ramp", 95, 45, 52), id="on the way down"),
        pytest.param(120, Position(2, "hold", 0, 3, 3), id="the last hold"),
        pytest.param(999, Position(2, "hold", 0, 0, 0), id="after the end"),
    ],
)
def test_a_position_has_stage_kind_planned_users_and_time_left(offset_s: float, expected: Position) -> None:
    found = PLAN.at(offset_s)
    assert (found.stage, found.kind, found.users) == (expected.stage, expected.kind, expected.users)
    assert (found.stage_left_s, found.left_s) == pytest.approx((expected.stage_left_s, expected.left_s))


@given(stages)
def test_segments_follow_each_other_without_gap_and_sum_to_the_total(stages: list[Stage]) -> None:
    plan = LoadSchedule(stages)
    end_s, users = 0.0, 0
    for segment in plan.segments:
        assert segment.start_s == pytest.approx(end_s)
        assert segment.from_users == users
        end_s, users = segment.end_s, segment.to_users
    assert end_s == pytest.approx(plan.total_s)
    ramps_s = sum(part.end_s - part.start_s for part in plan.segments if part.kind == "ramp")
    assert plan.total_s == pytest.approx(ramps_s + sum(stage.hold_s for stage in stages))


@given(stages, st.floats(0, 10_000))
def test_planned_users_never_leave_the_way_from_one_stage_to_the_next(stages: list[Stage], offset_s: float) -> None:
    plan = LoadSchedule(stages)
    position = plan.at(offset_s)
    before = stages[position.stage - 1].users if position.stage else 0
    after = stages[position.stage].users
    assert min(before, after) <= position.users <= max(before, after)
    assert 0 <= position.stage_left_s <= position.left_s + 1e-6


def test_a_slow_ramp_stays_a_ramp_until_the_hold_is_announced_and_moves_the_rest() -> None:
    progress = Progress(PLAN)
    assert progress.at(5) == PLAN.at(5)
    assert progress.at(14) == Position(0, "ramp", 100, 60, 113)
    progress.hold_started(15)
    assert progress.at(15) == PLAN.at(10)
    assert progress.at(74) == PLAN.at(69)
    assert progress.at(80) == PLAN.at(75)
    assert progress.at(95) == Position(1, "ramp", 20, 30, 37)
    progress.hold_started(101)
    progress.hold_started(133)
    assert progress.at(133) == PLAN.at(118)
    assert progress.at(999) == PLAN.at(999)


def test_a_ramp_faster_than_planned_moves_the_rest_forward() -> None:
    progress = Progress(PLAN)
    progress.hold_started(8)
    assert progress.at(8) == PLAN.at(10)


def test_the_steady_spans_are_the_holds_with_users_as_they_were_up_to_now() -> None:
    progress = Progress(PLAN)
    assert progress.steady_spans(until_s=12) == []
    progress.hold_started(15)
    assert progress.steady_spans(until_s=15) == []
    assert progress.steady_spans(until_s=20) == [(15, 20)]
    progress.hold_started(92.5)
    progress.hold_started(125)
    assert progress.steady_spans(until_s=200) == [(15, 75), (92.5, 122.5)]


def test_a_hold_out_of_order_or_beyond_the_last_is_refused() -> None:
    progress = Progress(LoadSchedule(STAGES[:2]))
    progress.hold_started(15)
    with pytest.raises(ValueError, match="can't start at 14 s"):
        progress.hold_started(14)
    progress.hold_started(90)
    with pytest.raises(ValueError, match="every stage has been held"):
        progress.hold_started(150)


def test_a_stage_with_as_many_users_as_the_one_before_has_no_ramp() -> None:
    plan = LoadSchedule([Stage(10, 1, 5), Stage(10, 1, 5)])
    assert [(part.kind, part.stage) for part in plan.segments] == [("ramp", 0), ("hold", 0), ("hold", 1)]


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [([(10, 13)], [10, 11, 12]), ([(10.2, 13.9)], [11, 12]), ([(0.5, 1.4)], []), ([(5, 6), (1, 2)], [1, 5]), ([], [])],
)
def test_only_whole_seconds_of_a_span_are_judged(spans: list[tuple[float, float]], seconds: list[int]) -> None:
    assert whole_seconds(spans) == seconds
