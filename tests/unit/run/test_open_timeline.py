"""The time of a run in the open model: its plan, and how it goes on under another controller."""

from __future__ import annotations

import pytest

from master.load.arrival_plan import plan_of
from master.run.checkpoint import Checkpoint
from master.run.collect.timeline import RunTimeline
from master.scenario.load_stages import OpenStage
from worker.load.arrivals.schedule import ArrivalSchedule

STAGES = (
    OpenStage(rate_per_s=100.0, max_users=10, hold_s=20.0, ramp_s=10.0),
    OpenStage(rate_per_s=50.0, max_users=10, hold_s=10.0),
)
"""500 arrivals in the first ramp, 2000 in its hold, 500 in the second stage."""
ARRIVALS = ArrivalSchedule(plan_of(STAGES, 0))
BEGAN_S = 1000.0


def started() -> RunTimeline:
    """A run whose plan starts 8 s after it began."""
    timeline = RunTimeline(STAGES, ARRIVALS)
    timeline.begin(BEGAN_S)
    timeline.start_plan(8.0)
    return timeline


def checkpoint(timeline: RunTimeline, offset_s: float, dealt: int) -> Checkpoint:
    return Checkpoint(
        boot="",
        began_s=BEGAN_S,
        began_wall_s=0.0,
        offset_s=offset_s,
        stage=timeline.progress.at(offset_s).stage,
        kind="hold",
        stage_left_s=1.0,
        steady_spans=[(18.0, offset_s)],
        gaps=[],
        users_peak=10,
        nodes_peak=1,
        nodes_lost=[],
        nodes_quarantined=[],
        ready_s=1.0,
        unreported_workers=[],
        dropped={},
        arrivals_dealt=dealt,
        start_skew_s=0.001,
    )


def resumed(earlier: Checkpoint, now_s: float) -> RunTimeline:
    return RunTimeline.resumed(earlier, STAGES, BEGAN_S + now_s, now_s, ARRIVALS)


def test_arrivals_are_offered_from_the_start_of_the_plan() -> None:
    """No arrivals are offered before the plan starts, and all of them once it is over."""
    timeline = started()
    assert [timeline.offered_before(offset_s) for offset_s in (0.0, 8.0, 18.0, 19.0, 38.0, 48.0, 60.0)] == [
        0,
        0,
        500,
        600,
        2500,
        3000,
        3000,
    ]
    assert sum(timeline.offered_in(second) or 0 for second in range(60)) == ARRIVALS.total


def test_a_closed_run_offers_nothing() -> None:
    """In the closed model it is not known how much is offered."""
    assert RunTimeline([]).offered_in(3) is None


def test_a_plan_has_not_begun_while_its_users_are_started() -> None:
    """Neither at first, nor where another controller goes on: there its users are started anew."""
    assert not RunTimeline(STAGES, ARRIVALS).plan_begun(100.0)
    timeline = started()
    assert (timeline.plan_begun(7.9), timeline.plan_begun(8.0)) == (False, True)
    later = resumed(checkpoint(timeline, 30.0, 1500), 500.0)
    later.begin(BEGAN_S + 500.0)
    assert not later.plan_begun(501.0)
    later.start_plan(505.0)
    assert (later.plan_begun(504.9), later.plan_begun(505.0)) == (False, True)


def test_plan_time_is_on_the_monotonic_clock() -> None:
    """Plan time 0 is at the run's beginning and the offset of the plan's start together."""
    timeline = started()
    assert timeline.plan_start_at_s == BEGAN_S + 8.0
    assert timeline.plan_s(10.0) == 2.0


@pytest.mark.parametrize(
    ("dealt", "done", "ramp_s", "hold_s"),
    [
        pytest.param(0, 0, 10.0, 20.0, id="before the first"),
        pytest.param(125, 0, 5.01, 20.0, id="in the ramp"),
        pytest.param(1500, 0, 0.0, 10.005, id="in the hold"),
        pytest.param(2600, 1, 0.0, 8.01, id="in the second stage"),
        pytest.param(3000, 1, 0.0, 0.0, id="after the last"),
    ],
)
def test_another_controller_goes_on_with_the_first_arrival_that_was_not_dealt(
    dealt: int, done: int, ramp_s: float, hold_s: float
) -> None:
    """What is left is the plan from the last arrival that was dealt on, whatever the time since."""
    timeline = resumed(checkpoint(started(), 30.0, dealt), 500.0)
    first = timeline.progress.stages[0]
    assert (first.ramp_s, first.hold_s) == (pytest.approx(ramp_s, abs=0.011), pytest.approx(hold_s, abs=0.011))
    assert timeline.progress.at(0.0).stage == done
    timeline.begin(BEGAN_S + 500.0)
    timeline.start_plan(505.0)
    assert timeline.offered_before(504.9) == dealt
    assert timeline.offered_before(1000.0) == ARRIVALS.total
    assert timeline.offered_since_start(1000.0) == ARRIVALS.total - dealt


def test_a_load_that_had_ended_is_not_put_on_again() -> None:
    """A controller that takes a run over whose load had ended has no stage with load."""
    earlier = checkpoint(started(), 47.0, 3000)
    earlier.ended_s = 48.0
    timeline = resumed(earlier, 500.0)
    assert not any(stage.has_load for stage in timeline.progress.stages)


@pytest.mark.parametrize("due", [1200, 3000])
def test_what_was_due_when_the_load_ended_stays_what_was_offered(due: int) -> None:
    """A controller that takes a run over whose load had ended, by plan or early, offers what was due by then, and nothing more."""
    earlier = checkpoint(started(), 49.0, 3000)
    earlier.ended_s, earlier.arrivals_due = 48.5, due
    timeline = resumed(earlier, 500.0)
    timeline.begin(BEGAN_S + 500.0)
    assert timeline.offered_before(timeline.ended_s) == due
    assert timeline.offered_in(500) == 0


def test_the_largest_skew_counts() -> None:
    """The start of the arrivals may differ by as much as the worst of the nodes' clocks, under any controller."""
    timeline = resumed(checkpoint(started(), 30.0, 100), 40.0)
    timeline.note_skew(0.0004)
    assert timeline.start_skew_s == 0.001
    timeline.note_skew(0.002)
    assert timeline.start_skew_s == 0.002
