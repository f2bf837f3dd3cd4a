"""From the open stages of a scenario to the plan of arrivals that every worker gets, and to the times of its stages. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from master.scenario.load_stages import OpenStage, Spike, find_curve_faults
from worker.wire.work import ArrivalPlan, RateSegment


@dataclass(frozen=True, slots=True)
class OpenStageTimes:
    """When an open stage begins, is at its rate, and ends, in seconds of plan time."""

    start_s: float
    hold_start_s: float
    end_s: float


def plan_of(stages: Sequence[OpenStage], seed: int) -> ArrivalPlan:
    """All arrivals of these stages. The first ramp starts at a rate of 0, a later one at the rate of the stage before.

    A spike takes the place of the stage's rate and sine; when it is over, the sine is where it would be without it. Raises
    ValueError, naming the stage from 1, for spikes that overlap or reach beyond the hold, and for a sine below a rate of 0.
    """
    segments: list[RateSegment] = []
    before_per_s = 0.0
    for number, stage in enumerate(stages):
        for place, fault in find_curve_faults(stage):
            raise ValueError(f"stage {number + 1}: {place[0]}: {fault}")
        segments += _segments(stage, number, before_per_s)
        before_per_s = stage.rate_per_s
    return ArrivalPlan(segments, seed)


def stage_times(stages: Sequence[OpenStage]) -> list[OpenStageTimes]:
    """The times of each stage, from 0 on."""
    times: list[OpenStageTimes] = []
    start_s = 0.0
    for stage in stages:
        hold_start_s = start_s + stage.ramp_s
        times.append(OpenStageTimes(start_s, hold_start_s, hold_start_s + stage.hold_s))
        start_s = times[-1].end_s
    return times


def stages_left(stages: Sequence[OpenStage], plan_s: float) -> tuple[int, tuple[OpenStage, ...]]:
    """What is left of `stages` at a plan time, and how many of them are over. Of the last one at least its end is left.

    Their times are right, and their rates while they are held; for those of a ramp that is cut off, see the whole plan.
    """
    times = stage_times(stages)
    done = sum(time.end_s <= plan_s for time in times[:-1])
    stage, time = stages[done], times[done]
    held_s = min(max(0.0, plan_s - time.hold_start_s), stage.hold_s)
    spikes = tuple(
        Spike(spike.rate_per_s, max(0.0, spike.at_s - held_s), min(spike.for_s, spike.at_s + spike.for_s - held_s))
        for spike in stage.spikes
        if spike.at_s + spike.for_s > held_s
    )
    ramp_s = min(max(0.0, time.hold_start_s - plan_s), stage.ramp_s)
    rest = replace(stage, ramp_s=ramp_s, hold_s=stage.hold_s - held_s, spikes=spikes)
    return done, (rest, *stages[done + 1 :])


def _segments(stage: OpenStage, number: int, before_per_s: float) -> Iterator[RateSegment]:
    if stage.ramp_s > 0:
        yield RateSegment(stage.ramp_s, before_per_s, stage.rate_per_s, number, poisson=stage.poisson)
    held_s = 0.0
    for spike in sorted(stage.spikes, key=lambda spike: spike.at_s):
        if spike.at_s > held_s:
            yield _hold(stage, number, held_s, spike.at_s)
            held_s = spike.at_s
        end_s = min(spike.at_s + spike.for_s, stage.hold_s)
        if end_s > held_s:
            yield RateSegment(end_s - held_s, spike.rate_per_s, spike.rate_per_s, number, poisson=stage.poisson)
            held_s = end_s
    if stage.hold_s > held_s:
        yield _hold(stage, number, held_s, stage.hold_s)


def _hold(stage: OpenStage, number: int, from_s: float, to_s: float) -> RateSegment:
    if stage.sine is None:
        return RateSegment(to_s - from_s, stage.rate_per_s, stage.rate_per_s, number, poisson=stage.poisson)
    return RateSegment(
        duration_s=to_s - from_s,
        from_per_s=stage.rate_per_s,
        to_per_s=stage.rate_per_s,
        stage=number,
        amplitude_per_s=stage.sine.amplitude_per_s,
        period_s=stage.sine.period_s,
        poisson=stage.poisson,
        sine_from_s=from_s,
    )
