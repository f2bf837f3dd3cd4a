"""When a run began and ended, how far it is, and what of it is steady. Pure; `now_s` is on the monotonic clock."""

from __future__ import annotations

import math
from collections.abc import Sequence

from master.fleet.registry import MAX_BEYOND_S
from master.judge.seconds.steady_part import SteadyPart
from master.load.schedule import LoadSchedule, Progress, Span
from master.run.checkpoint import Checkpoint
from master.scenario import Stage


class RunTimeline:
    """The time of one run. Offsets are seconds since its load first began."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.progress = Progress(LoadSchedule(stages))
        self.began_s: float | None = None
        self.ended_s = math.inf
        """The offset at which the load ended."""
        self.gaps: list[Span] = []
        """When the run had no controller, as offsets."""
        self._interrupted_s: float | None = None
        self._steady = SteadyPart()
        self._steady_of: tuple[object, float] = (None, math.inf)

    @classmethod
    def resumed(cls, earlier: Checkpoint, stages: Sequence[Stage], now_s: float, now_wall_s: float) -> RunTimeline:
        """That of a run that another controller left at `earlier`; `now_wall_s` is Unix time."""
        timeline = cls(earlier.remaining(tuple(stages)))
        timeline.progress = Progress(LoadSchedule(timeline.progress.stages), earlier.stage, tuple(earlier.steady_spans))
        timeline.began_s = earlier.began_now_s(now_s, now_wall_s)
        timeline.gaps = list(earlier.gaps)
        timeline._interrupted_s = earlier.offset_s
        if earlier.ended_s is not None:
            timeline.ended_s = earlier.ended_s
        return timeline

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
            # Without this margin the last second of a hold would have a part of what comes after it.
            beyond_s, spans = MAX_BEYOND_S, self.progress.steady_spans(self.ended_s)
            self._steady = SteadyPart((first_s + beyond_s, end_s - beyond_s) for first_s, end_s in spans)
        return self._steady
