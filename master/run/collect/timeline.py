"""When a run began and ended, how far it is, and what of it is steady. Pure; `now_s` is on the monotonic clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from master.fleet.registry import MAX_BEYOND_S
from master.judge.seconds.steady_part import SteadyPart
from master.load.schedule import LoadSchedule, Progress, Span
from master.load.shape_progress import ShapeProgress
from master.run.checkpoint import Checkpoint
from master.scenario import LoadStage, ShapeLoad, Stage
from worker.load.arrivals.schedule import ArrivalSchedule


def judged_part(spans: Iterable[Span]) -> SteadyPart:
    """What is judged of the `spans` of holds."""
    # Without this margin the last second of a hold would have a part of what comes after it.
    return SteadyPart((first_s + MAX_BEYOND_S, end_s - MAX_BEYOND_S) for first_s, end_s in spans)


class RunTimeline:
    """The time of one run. Offsets are seconds since its load first began.

    In the open model plan time is that of its arrivals; it stands still while there is no controller.
    """

    def __init__(
        self, stages: Sequence[LoadStage], arrivals: ArrivalSchedule | None = None, shape: ShapeLoad | None = None
    ) -> None:
        """`arrivals` are those of the whole run in the open model; a `shape` says as it goes how many users run."""
        self.progress = Progress(LoadSchedule(stages)) if shape is None else ShapeProgress(shape.run_time_s)
        self.began_s: float | None = None
        self.ended_s = math.inf
        """The offset at which the load ended."""
        self.gaps: list[Span] = []
        """When the run had no controller, as offsets."""
        self.arrivals = arrivals
        self.arrivals_dealt = 0
        """The number of the first arrival that was not dealt yet."""
        self.start_skew_s: float | None = None
        """By how much the start of the arrivals may differ between nodes and the controller."""
        self._due_before = 0
        """Arrivals that are not of this controller's part of the plan: those before this one have dealt them."""
        self._plan_start_s: float | None = None
        """The offset of plan time 0; below 0 in a run that went on."""
        self._plan_from_s = math.inf
        """The offset at which the plan begins, or goes on, under this controller."""
        self._interrupted_s: float | None = None
        self._steady = SteadyPart()
        self._steady_of: tuple[object, float] = (None, math.inf)

    @classmethod
    def resumed(
        cls,
        earlier: Checkpoint,
        stages: Sequence[LoadStage],
        now_s: float,
        now_wall_s: float,
        arrivals: ArrivalSchedule | None = None,
        *,
        shape: ShapeLoad | None = None,
    ) -> RunTimeline:
        """That of a run that another controller left at `earlier`; `now_wall_s` is Unix time.

        Of a run with a `shape`, `stages` are what it had asked for until then.
        """
        if shape is not None:
            timeline = cls(stages)
            asked = [stage for stage in stages if isinstance(stage, Stage)]
            ran_s = earlier.offset_s - sum(end_s - start_s for start_s, end_s in earlier.gaps)
            timeline.progress = ShapeProgress(shape.run_time_s, asked, tuple(earlier.steady_spans), ran_s)
            timeline._take_over(earlier, now_s, now_wall_s)
            return timeline
        done, left = earlier.remaining(tuple(stages), arrivals)
        timeline = cls(left, arrivals)
        if arrivals is not None and earlier.ended_s is None:
            schedule = LoadSchedule(left, arrivals.curve, arrivals.plan_s_of(earlier.arrivals_dealt))
        else:
            schedule = LoadSchedule(left)
        timeline.progress = Progress(schedule, done, tuple(earlier.steady_spans))
        timeline._take_over(earlier, now_s, now_wall_s)
        return timeline

    def _take_over(self, earlier: Checkpoint, now_s: float, now_wall_s: float) -> None:
        self.arrivals_dealt = earlier.arrivals_dealt
        self.start_skew_s = earlier.start_skew_s
        self.began_s = earlier.began_now_s(now_s, now_wall_s)
        self.gaps = list(earlier.gaps)
        self._interrupted_s = earlier.offset_s
        if earlier.ended_s is not None:
            self.ended_s = earlier.ended_s
            self._due_before = earlier.arrivals_due  # no plan is started any more

    def begin(self, now_s: float) -> Span | None:
        """The load begins, or goes on; in the second case since when there was no controller, and until when."""
        if self.began_s is None:
            self.began_s = now_s
        offset_s = self.offset_s(now_s)
        self.progress.begin(offset_s)
        if self._interrupted_s is None:
            return None
        if self.ended_s == math.inf:
            self.gaps.append((self._interrupted_s, offset_s))
        return self._interrupted_s, offset_s

    def offset_s(self, now_s: float) -> float:
        """Seconds since the load began; 0 before."""
        return 0.0 if self.began_s is None else now_s - self.began_s

    def start_plan(self, offset_s: float) -> None:
        """What is left of the plan begins at an offset: its first arrival that is not dealt is due as long after it as planned."""
        assert self.arrivals is not None
        self._due_before = self.arrivals_dealt
        self._plan_from_s = offset_s
        self._plan_start_s = offset_s - self.arrivals.plan_s_of(self.arrivals_dealt)

    def plan_begun(self, offset_s: float) -> bool:
        """Whether the plan has begun, or gone on, by an offset; before, the users of the open model are started."""
        return offset_s >= self._plan_from_s

    def plan_s(self, offset_s: float) -> float:
        """Plan time at an offset; before `start_plan` it has not begun."""
        return -math.inf if self._plan_start_s is None else offset_s - self._plan_start_s

    @property
    def plan_start_at_s(self) -> float:
        """Plan time 0 on the monotonic clock. Only after `start_plan`."""
        assert self.began_s is not None
        assert self._plan_start_s is not None
        return self.began_s + self._plan_start_s

    def offered_before(self, offset_s: float) -> int:
        """How many arrivals of the plan were due before an offset, those under other controllers included."""
        if self.arrivals is None:
            return 0
        return max(self._due_before, self.arrivals.count_before(self.plan_s(offset_s)))

    def offered_since_start(self, offset_s: float) -> int:
        """The same of this controller alone, as what workers report to it counts from its start."""
        return self.offered_before(offset_s) - self._due_before

    def offered_in(self, second: int) -> int | None:
        """How many arrivals are due in a second of this controller's part of the run; None in the closed model."""
        if self.arrivals is None:
            return None
        return self.offered_before(second + 1.0) - self.offered_before(second)

    def note_skew(self, error_s: float) -> None:
        """A node was dealt arrivals whose clock is known to `error_s`."""
        self.start_skew_s = max(error_s, self.start_skew_s or 0.0)

    def end(self, now_s: float) -> None:
        """The load ends, unless it has already."""
        self.ended_s = min(self.ended_s, self.offset_s(now_s))

    def resume(self, now_s: float) -> None:
        """The load is as planned again, after `progress.interrupt`; nothing where it always was."""
        gap = self.progress.resume(min(self.offset_s(now_s), self.ended_s))
        if gap is not None:
            self.gaps.append(gap)

    @property
    def steady(self) -> SteadyPart:
        """The seconds to be judged: those wholly within a hold, as far as it has come."""
        if self._steady_of != (self.progress.revision, self.ended_s):  # asked for with all that arrives
            self._steady_of = (self.progress.revision, self.ended_s)
            self._steady = judged_part(self.progress.steady_spans(self.ended_s))
        return self._steady
