"""When a target that stalls answers: the pattern that targets keep to, and that theory counts with."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stalls:
    """Spans of `length_s`: the first begins at `first_s`, the others `every_s` apart; without `every_s` there is one.

    A request that arrives in a stall is answered at its end, or when it would have been answered anyway, if that is later.
    """

    first_s: float
    length_s: float
    every_s: float = math.inf

    def end_s(self, at_s: float) -> float:
        """Return the end of the stall that is on at `at_s`; without one, `at_s`."""
        since_s = at_s - self.first_s
        if since_s < 0:
            return at_s
        begun_s = self.first_s + (0.0 if math.isinf(self.every_s) else since_s // self.every_s * self.every_s)
        return max(at_s, begun_s + self.length_s)

    def answer_s(self, arrived_s: float, service_s: float) -> float:
        """Return when a request is answered that takes `service_s` where nothing stalls."""
        return max(arrived_s + service_s, self.end_s(arrived_s))


NEVER = Stalls(math.inf, 0.0)
"""No stall."""
