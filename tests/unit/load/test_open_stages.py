"""Open stages: the plan of their arrivals, their times, positions in them, and what is left of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.load.arrival_plan import OpenStageTimes, plan_of, stage_times, stages_left
from master.load.schedule import LoadSchedule, Position, Progress, Segment
from master.scenario import OpenStage, Stage
from master.scenario.load_stages import Sine, Spike
from worker.load.arrivals.curve import RateCurve
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.wire.work import RateSegment

# To 500/s in 30 s, hold 60 s; step to 1000/s, hold 60 s; down to 0 in 10 s.
STAGES = (OpenStage(500, 50, 60, ramp_s=30), OpenStage(1000, 80, 60), OpenStage(0, 80, 0, ramp_s=10))


@st.composite
def open_stages(draw: st.DrawFn) -> OpenStage:
    hold_s, rate = draw(st.integers(0, 100)), draw(st.integers(0, 1000))
    marks = sorted(draw(st.lists(st.integers(0, hold_s), max_size=6)))
    spikes = [
        Spike(draw(st.integers(0, 2000)), at_s, end_s - at_s)
        for at_s, end_s in zip(marks[::2], marks[1::2], strict=False)
        if end_s > at_s
    ]
    sine = draw(st.one_of(st.none(), st.builds(Sine, st.integers(0, rate), st.integers(1, 50))))
    return OpenStage(
        rate,
        10,
        hold_s,
        ramp_s=draw(st.integers(0, 50)),
        poisson=draw(st.booleans()),
        sine=sine,
        spikes=tuple(draw(st.permutations(spikes))),
    )


stages = st.lists(open_stages(), min_size=1, max_size=5)


def test_ramps_holds_and_steps_are_segments() -> None:
    """The first ramp starts at 0, the others at the rate before; a stage without a ramp is a step."""
    assert plan_of(STAGES, 7).segments == [
        RateSegment(30, 0, 500, 0),
        RateSegment(60, 500, 500, 0),
        RateSegment(60, 1000, 1000, 1),
        RateSegment(10, 1000, 0, 2),
    ]
    assert plan_of(STAGES, 7).seed == 7
    assert stage_times(STAGES) == [
        OpenStageTimes(0, 30, 90),
        OpenStageTimes(90, 90, 150),
        OpenStageTimes(150, 160, 160),
    ]
    assert ArrivalSchedule(plan_of(STAGES, 7)).total == 7500 + 30_000 + 60_000 + 5000


def test_a_spike_takes_the_place_of_rate_and_sine_and_the_sine_goes_on_after_it() -> None:
    """In a spike only its own rate counts; behind it the sine is where it would be without it."""
    stage = OpenStage(100, 10, 60, sine=Sine(50, 20), spikes=(Spike(900, 35, 5), Spike(0, 0, 5)), poisson=True)
    assert plan_of([stage], 0).segments == [
        RateSegment(5, 0, 0, 0, poisson=True),
        RateSegment(30, 100, 100, 0, 50, 20, poisson=True, sine_from_s=5),
        RateSegment(5, 900, 900, 0, poisson=True),
        RateSegment(20, 100, 100, 0, 50, 20, poisson=True, sine_from_s=40),
    ]
    curve = RateCurve(plan_of([stage], 0).segments)
    for offset_s in (5.0, 10.0, 17.3, 34.9, 40.0, 45.0, 59.9):
        assert curve.rate_at(offset_s) == pytest.approx(100 + 50 * math.sin(math.tau * offset_s / 20))


@given(stages, st.floats(0, 1))
def test_the_plan_has_the_rate_that_the_stages_say(stages: list[OpenStage], part: float) -> None:
    """At any moment of any stage the curve has the rate of its ramp, its spike, or its rate with the sine."""
    curve = RateCurve(plan_of(stages, 0).segments)
    times = stage_times(stages)
    assert curve.duration_s == times[-1].end_s
    offset_s = part * curve.duration_s
    for before, stage, time in zip([OpenStage(0, 1, 0), *stages], stages, times, strict=False):
        if time.start_s <= offset_s < time.hold_start_s:
            done = (offset_s - time.start_s) / stage.ramp_s
            assert curve.rate_at(offset_s) == pytest.approx(
                before.rate_per_s + (stage.rate_per_s - before.rate_per_s) * done
            )
        elif time.hold_start_s <= offset_s < time.end_s:
            held_s = offset_s - time.hold_start_s
            spike = [each.rate_per_s for each in stage.spikes if each.at_s <= held_s < each.at_s + each.for_s]
            sine = (
                0.0
                if stage.sine is None
                else stage.sine.amplitude_per_s * math.sin(math.tau * held_s / stage.sine.period_s)
            )
            assert curve.rate_at(offset_s) == pytest.approx(spike[0] if spike else stage.rate_per_s + sine, abs=1e-6)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (OpenStage(100, 10, 60, spikes=(Spike(500, 50, 11),)), "stage 2: spike: ends 1m1s after the hold's start"),
        (OpenStage(100, 10, 60, spikes=(Spike(500, 5, 5), Spike(500, 9, 5))), "stage 2: spike: begins at 9s"),
        (OpenStage(100, 10, 60, sine=Sine(101, 10)), "stage 2: sine: 101/s is more than the rate"),
        (OpenStage(-1, 10, 60), "its rate at the start is -1"),
        (OpenStage(1e9, 10, 1e9), r"the plan has 1e\+18 arrivals, more than 1\.13e\+15"),
        (OpenStage(100, 10, 60, sine=Sine(50, 0)), "its sine has no period"),
    ],
)
def test_stages_that_are_no_curve_are_refused(stage: OpenStage, message: str) -> None:
    """A sine below 0, spikes that overlap or reach beyond the hold, and rates beyond all measure are refused with the reason."""
    with pytest.raises(ValueError, match=message):
        LoadSchedule([OpenStage(100, 10, 60), stage])


def test_a_spike_that_ends_with_the_hold_but_for_rounding_is_cut_off_there() -> None:
    """0.1 + 0.2 is a little more than 0.3, and no reason to refuse a spike that lasts to the end of the hold."""
    (spike,) = plan_of([OpenStage(10, 1, 0.3, spikes=(Spike(500, 0, 0.1 + 0.2),))], 0).segments
    assert spike.duration_s == 0.3


def test_an_open_schedule_has_the_users_of_the_pool_and_the_rate_of_the_curve() -> None:
    """All users of a stage run from its start; the planned rate is that of the curve."""
    plan = LoadSchedule(STAGES)
    assert plan.segments == [
        Segment(0, 30, "ramp", 50, 50, 0, 0),
        Segment(30, 90, "hold", 50, 50, 0, 0),
        Segment(90, 150, "hold", 80, 80, 0, 1),
        Segment(150, 160, "ramp", 80, 80, 0, 2),
    ]
    assert plan.total_s == 160
    assert plan.at(-1) == Position(0, "ramp", 50, 90, 160, 0)
    assert plan.at(15) == Position(0, "ramp", 50, 75, 145, 250)
    assert plan.at(40) == Position(0, "hold", 50, 50, 120, 500)
    assert plan.at(90) == Position(1, "hold", 80, 60, 70, 1000)
    assert plan.at(155) == Position(2, "ramp", 80, 5, 5, 500)
    assert plan.at(999) == Position(2, "ramp", 80, 0, 0, 0)
    assert LoadSchedule([OpenStage(10, 5, 0)]).at(3) == Position(0, "hold", 5, 0, 0, 0)


def test_the_steady_spans_of_open_stages_are_their_holds_with_arrivals() -> None:
    """Holds with a rate are steady, also where only a spike has one; the ramp to 0 at the end is not."""
    stages = [*STAGES[:2], OpenStage(0, 80, 20, ramp_s=10), OpenStage(0, 80, 20, spikes=(Spike(5, 1, 1),))]
    progress = Progress(LoadSchedule(stages))
    progress.begin(2.0)
    assert progress.at(17) == LoadSchedule(stages).at(15)
    for time in stage_times(stages):
        progress.hold_started(2 + time.hold_start_s)
    assert progress.steady_spans(1000) == [(32, 92), (92, 152), (182, 202)]


def test_a_hold_without_a_ramp_has_not_begun_before_its_time() -> None:
    """Where the plan is to begin in some seconds, the run is not in a hold yet, and nothing is offered."""
    progress = Progress(LoadSchedule([OpenStage(100, 10, 60)]))
    progress.begin(8.0)
    assert progress.at(5) == Position(0, "ramp", 10, 60, 60, 0)
    assert progress.at(8) == Position(0, "ramp", 10, 60, 60, 100)
    progress.hold_started(8.0)
    assert progress.at(8) == Position(0, "hold", 10, 60, 60, 100)


def test_closed_and_open_stages_are_not_mixed() -> None:
    """A plan with stages of both models is refused."""
    with pytest.raises(ValueError, match="closed or open stages, not both"):
        LoadSchedule([Stage(10, 1, 5), OpenStage(10, 5, 5)])


@given(stages, st.floats(0, 1.1))
def test_what_is_left_of_stages_has_the_times_of_the_whole(stages: list[OpenStage], part: float) -> None:
    """Stages cut off at any time of the plan go on with the same times, kinds and, while they are held, spikes as the whole."""
    whole = LoadSchedule(stages)
    plan_s = min(part * whole.total_s, whole.total_s)
    done, left = stages_left(stages, plan_s)
    curve = RateCurve(plan_of(stages, 0).segments)
    rest = LoadSchedule(left, curve, plan_s)
    assert rest.total_s == pytest.approx(whole.total_s - plan_s, abs=1e-9)
    assert len(left) == len(stages) - done
    bounds_s = [*(each.start_s for each in whole.segments), whole.total_s]
    for step in range(20):
        elapsed_s = (whole.total_s - plan_s) * (step + 0.5) / 20
        expected, found = whole.at(plan_s + elapsed_s), rest.at(elapsed_s)
        if all(abs(plan_s + elapsed_s - bound_s) > 1e-6 for bound_s in bounds_s):
            assert (found.stage + done, found.kind, found.users) == (expected.stage, expected.kind, expected.users)
            assert found.rate_per_s == pytest.approx(expected.rate_per_s, rel=1e-6, abs=1e-6)
            assert (found.stage_left_s, found.left_s) == pytest.approx(
                (expected.stage_left_s, expected.left_s), abs=1e-9
            )


@given(stages, st.floats(0, 1.1))
def test_what_is_left_can_be_planned_for_itself(stages: list[OpenStage], part: float) -> None:
    """Whatever is left of a good plan is a good plan again."""
    plan_s = part * stage_times(stages)[-1].end_s
    _, left = stages_left(stages, plan_s)
    assert LoadSchedule(left).total_s == pytest.approx(max(0.0, stage_times(stages)[-1].end_s - plan_s), abs=1e-9)
