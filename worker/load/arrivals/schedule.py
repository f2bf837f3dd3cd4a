"""When each arrival of the open model is due: one schedule for the whole fleet, which anybody can work out alone. Pure.

Arrival i (0, 1, 2 …) is due where the integral of the rate reaches a position: i + 1/2 where arrivals are even, a random one where
they are a Poisson process. The 1/2 keeps arrivals away from the ends of stages, so that no rounding of a float makes one more or
one less. A stage has as many arrivals as its integral adds to the whole, rounded: what rounding leaves goes into the next stage.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from fractions import Fraction
from itertools import groupby, pairwise
from typing import NamedTuple

from worker.load.arrivals.curve import RateCurve
from worker.load.arrivals.order_statistics import OrderStatistics
from worker.wire.work import ArrivalPlan

_NEAR = 2.0**-50
"""As a part of the numbers involved: so near to the moment when an arrival is due, what is due before is counted without rounding."""


class _Stage(NamedTuple):
    start_s: float
    end_s: float
    first: int
    end: int
    random: OrderStatistics | None


class ArrivalSchedule:
    """The arrivals of a plan. Raises ValueError for a plan that is none.

    Of Poisson arrivals `due_s` is quick for one who asks for them in order: several who do so should have a schedule each.
    """

    def __init__(self, plan: ArrivalPlan) -> None:
        self.curve = RateCurve(plan.segments)
        """The rate over plan time."""
        self.duration_s = self.curve.duration_s
        self.total = _round_half_down(self.curve.total)
        """The number of all arrivals: the integral of the rate, rounded; a half down."""
        self._stages: list[_Stage] = []
        numbers = [segment.stage for segment in plan.segments]
        if any(after < before for before, after in pairwise(numbers)):
            raise ValueError(f"stages of a plan come in order, not as {numbers}")
        start_s, start = 0.0, Fraction(0)
        for number, group in groupby(
            zip(plan.segments, self.curve.segment_ends, strict=True), lambda entry: entry[0].stage
        ):
            segments, ends = zip(*group, strict=True)
            poisson = {segment.poisson for segment in segments}
            if len(poisson) > 1:
                raise ValueError(f"stage {number} of the plan has both even and Poisson arrivals")
            end_s, end = ends[-1]
            first, beyond = _round_half_down(start), _round_half_down(end)
            random = OrderStatistics(first, beyond, float(start), float(end), plan.seed) if True in poisson else None
            self._stages.append(_Stage(start_s, end_s, first, beyond, random))
            start_s, start = end_s, end
        self._ends_s = [stage.end_s for stage in self._stages]
        self._ends = [stage.end for stage in self._stages]
        self._even = all(stage.random is None for stage in self._stages)
        self._offset_of = self.curve.offset_of

    def due_s(self, arrival: int) -> float:
        """Plan time in seconds at which an arrival is due; it never falls as arrivals go on. Raises IndexError where there is none."""
        if not 0 <= arrival < self.total:
            raise IndexError(f"there is no arrival {arrival} in a plan of {self.total}")
        if self._even:
            return self._offset_of(arrival + 0.5)
        stage = self._stages[bisect_right(self._ends, arrival)]
        if stage.random is None:
            return self._offset_of(arrival + 0.5)
        return min(max(stage.start_s, self._offset_of(stage.random.position(arrival))), stage.end_s)

    def plan_s_of(self, count: int) -> float:
        """The plan time by which `count` arrivals have been due: 0 for none, the end of the plan for all."""
        if count <= 0:
            return 0.0
        return self.duration_s if count >= self.total else self.due_s(count - 1)

    def count_before(self, offset_s: float) -> int:
        """The number of arrivals due before plan time `offset_s`, and so the first one due then or later."""
        if offset_s <= 0:
            return 0
        if offset_s >= self.duration_s:
            return self.total
        stage = self._stages[bisect_right(self._ends_s, offset_s)]
        position = self.curve.arrivals_by(offset_s)
        if stage.random is not None:
            return stage.random.count_below(position)
        near = _NEAR * (position + self.curve.peak_per_s * offset_s)
        if abs(position - math.floor(position) - 0.5) <= near:
            count = _round_half_down(self.curve.exact_arrivals_by(offset_s))
        else:
            count = math.ceil(position - 0.5)
        return min(max(count, stage.first), stage.end)


def _round_half_down(number: Fraction) -> int:
    return math.ceil(number - Fraction(1, 2))
