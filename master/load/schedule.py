"""The load schedule: which stage a run is in at an offset, and which spans are steady. No clock; offsets are parameters.

A plan is ramps and holds, one after the other. In the closed model a real ramp may take longer than planned, since users start on
nodes that may be slow or still joining; `Progress` is given when each hold really began and moves the rest of the plan accordingly.
In the open model the users run before the first ramp, and every hold begins when it is planned.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from master.load.arrival_plan import plan_of, stage_times
from master.scenario import Stage
from master.scenario.model import LoadStage, OpenStage, ramps_s
from worker.load.arrivals.curve import RateCurve

Kind = Literal["ramp", "hold"]
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Segment:
    """One ramp or hold. Offsets are seconds since the first ramp began; `stage` counts from 0.

    In the open model all users of a stage run from its start.
    """

    start_s: float
    end_s: float
    kind: Kind
    from_users: int
    to_users: int
    spawn_rate: float
    stage: int

    def users_at(self, offset_s: float) -> int:
        """Planned users at `offset_s`: on the line between both ends, rounded towards the start."""
        done = int(max(0.0, offset_s - self.start_s) * self.spawn_rate)
        if self.to_users >= self.from_users:
            return min(self.from_users + done, self.to_users)
        return max(self.from_users - done, self.to_users)


@dataclass(frozen=True, slots=True)
class Position:
    """Position of a run in its schedule: `users` are the planned ones, `stage_left_s` counts to the end of the stage, `left_s` of the run."""

    stage: int
    kind: Kind
    users: int
    stage_left_s: float
    left_s: float
    rate_per_s: float | None = None
    """Planned arrivals per second; None in the closed model."""


class LoadSchedule:
    """The plan of one run, from its stages. `segments` leaves out ramps and holds of no length.

    Raises ValueError for closed and open stages in one plan, and for open ones that can't be planned.
    """

    def __init__(self, stages: Sequence[LoadStage], rates: RateCurve | None = None, rates_from_s: float = 0.0) -> None:
        """`stages` may be what is left of an open run; then `rates` are those of the whole, and `rates_from_s` is where these start."""
        self.stages = tuple(stages)
        self.segments: list[Segment] = []
        self.hold_starts_s: list[float] = []
        self.total_s = 0.0
        self._rates, self._rates_from_s = rates, rates_from_s
        opened = [stage for stage in self.stages if isinstance(stage, OpenStage)]
        closed = [stage for stage in self.stages if isinstance(stage, Stage)]
        if opened and closed:
            raise ValueError("a plan has closed or open stages, not both")
        if opened:
            self._plan_open(opened)
        else:
            self._plan_closed(closed)
        self._starts_s = [segment.start_s for segment in self.segments]

    def _plan_closed(self, stages: Sequence[Stage]) -> None:
        offset_s, users = 0.0, 0
        for index, (stage, ramp_s) in enumerate(zip(stages, ramps_s(stages), strict=True)):
            held_from_s = offset_s + ramp_s
            end_s = held_from_s + stage.hold_s
            parts = (
                Segment(offset_s, held_from_s, "ramp", users, stage.users, stage.spawn_rate, index),
                Segment(held_from_s, end_s, "hold", stage.users, stage.users, stage.spawn_rate, index),
            )
            self.segments += [part for part in parts if part.end_s > part.start_s]
            self.hold_starts_s.append(held_from_s)
            offset_s, users = end_s, stage.users
        self.total_s = offset_s

    def _plan_open(self, stages: Sequence[OpenStage]) -> None:
        if self._rates is None:
            self._rates = RateCurve(plan_of(stages, seed=0).segments)
        for index, (stage, times) in enumerate(zip(stages, stage_times(stages), strict=True)):
            users = stage.max_users
            parts = (
                Segment(times.start_s, times.hold_start_s, "ramp", users, users, 0.0, index),
                Segment(times.hold_start_s, times.end_s, "hold", users, users, 0.0, index),
            )
            self.segments += [part for part in parts if part.end_s > part.start_s]
            self.hold_starts_s.append(times.hold_start_s)
            self.total_s = times.end_s

    def at(self, offset_s: float) -> Position:
        """Position in the plan at `offset_s`; its start before 0, its end after the last stage."""
        if not self.segments:
            return Position(0, "hold", _users(self.stages[-1]), 0.0, 0.0, self.rate_at(offset_s))
        return self._position(self._segment(offset_s), offset_s)

    def before_hold(self, stage: int) -> Position:
        """Position when the ramp of `stage` should be over but its hold has not begun."""
        offset_s = self.hold_starts_s[stage]
        left_s = self.total_s - offset_s
        return Position(stage, "ramp", _users(self.stages[stage]), self.stages[stage].hold_s, left_s)

    def _segment(self, offset_s: float) -> Segment:
        return self.segments[max(0, bisect_right(self._starts_s, offset_s) - 1)]

    def _position(self, segment: Segment, offset_s: float) -> Position:
        rate_per_s = self.rate_at(offset_s)
        offset_s = min(max(offset_s, 0.0), self.total_s)
        stage_end_s = self.hold_starts_s[segment.stage] + self.stages[segment.stage].hold_s
        return Position(
            segment.stage,
            segment.kind,
            segment.users_at(offset_s),
            max(0.0, stage_end_s - offset_s),
            self.total_s - offset_s,
            rate_per_s,
        )

    def rate_at(self, offset_s: float) -> float | None:
        """Planned arrivals per second at `offset_s`, 0 before the start and after the end; None in the closed model."""
        if self._rates is None:
            return None
        return self._rates.rate_at(self._rates_from_s + offset_s) if offset_s >= 0 else 0.0


def _users(stage: LoadStage) -> int:
    return stage.max_users if isinstance(stage, OpenStage) else stage.users


class Progress:
    """Actual progress of a run through its schedule. For each stage in turn: ramp, call `hold_started`, hold for the stage's `hold_s`.

    A run that another controller began goes on here: `stages_done` stages were before those of the schedule, with the holds
    `steady_before`, and the schedule begins with `begin`.
    """

    def __init__(self, schedule: LoadSchedule, stages_done: int = 0, steady_before: Sequence[Span] = ()) -> None:
        self._schedule = schedule
        self._stages_done = stages_done
        self._steady_before = [*steady_before]
        self._start_s = 0.0
        self._holds_s: list[float] = []
        self._interruptions: list[Span] = []

    @property
    def stages(self) -> tuple[LoadStage, ...]:
        """The stages of the schedule."""
        return self._schedule.stages

    def hold_of(self, stage: int) -> float:
        """Hold of a stage, counted from the run's first, by this schedule, in seconds."""
        return self._schedule.stages[stage - self._stages_done].hold_s

    @property
    def revision(self) -> tuple[int, int, float]:
        """Changes whenever `steady_spans` may."""
        return (
            len(self._holds_s),
            len(self._interruptions),
            self._interruptions[-1][1] if self._interruptions else 0.0,
        )

    def interrupt(self, from_s: float) -> None:
        """From this offset on nobody knows what load there is, until `resume`; one that has begun before goes on."""
        if not self._interruptions or self._interruptions[-1][1] < math.inf:
            self._interruptions.append((from_s, math.inf))

    def resume(self, at_s: float) -> Span | None:
        """The load is as planned again; the interruption that ends, if there is one."""
        if not self._interruptions or self._interruptions[-1][1] < math.inf:
            return None
        self._interruptions[-1] = (self._interruptions[-1][0], at_s)
        return self._interruptions[-1]

    def begin(self, offset_s: float) -> None:
        """The first ramp of the schedule begins at `offset_s`."""
        self._start_s = offset_s

    def hold_started(self, offset_s: float) -> None:
        """The next stage's users all run, and its hold begins at `offset_s`."""
        if len(self._holds_s) == len(self._schedule.stages):
            raise ValueError("every stage has been held already")
        if self._holds_s and offset_s < self._holds_s[-1]:
            raise ValueError(f"a hold can't start at {offset_s} s, before the one at {self._holds_s[-1]} s")
        self._holds_s.append(offset_s)

    def at(self, offset_s: float) -> Position:
        """Position of the run: like the plan, later (or earlier) by what the ramps took, and never in a hold unannounced."""
        held = len(self._holds_s)
        planned_s = offset_s - self._start_s
        if held:
            planned_s = offset_s - (self._holds_s[-1] - self._schedule.hold_starts_s[held - 1])
        position = self._schedule.at(planned_s)
        announced = position.stage < held or position.kind == "ramp"
        if held < len(self._schedule.stages) and (not announced or planned_s >= self._schedule.hold_starts_s[held]):
            position = replace(self._schedule.before_hold(held), rate_per_s=position.rate_per_s)
        return replace(position, stage=self._stages_done + position.stage)

    def steady_spans(self, until_s: float) -> list[Span]:
        """The holds with load that have begun, as (start_s, end_s), cut off at `until_s` (now, or the end of the run).

        Interruptions are excluded.
        """
        stages = self._schedule.stages
        spans = [
            (start_s, start_s + stage.hold_s)
            for start_s, stage in zip(self._holds_s, stages, strict=False)
            if stage.has_load
        ]
        return [*self._steady_before, *self._without_interruptions(spans, until_s)]

    def _without_interruptions(self, spans: Sequence[Span], until_s: float) -> list[Span]:
        spans = [(start_s, min(end_s, until_s)) for start_s, end_s in spans]
        for from_s, to_s in self._interruptions:
            spans = [
                part
                for start_s, end_s in spans
                for part in ((start_s, min(end_s, from_s)), (max(start_s, to_s), end_s))
            ]
            spans = [(start_s, end_s) for start_s, end_s in spans if end_s > start_s]
        return [(start_s, end_s) for start_s, end_s in spans if end_s > start_s]


def whole_seconds(spans: Iterable[Span]) -> list[int]:
    """The seconds (n to n + 1) that lie entirely in one of `spans`, in order: the ones to be judged."""
    return sorted({second for start_s, end_s in spans for second in range(math.ceil(start_s), math.floor(end_s))})
