"""The stalling targets that are measured, and the load on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stalls import Stalls
from theory import Target

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)
BOUND = 0.02
"""So much may a percentile of ours be off from the one of wrk2, or of its algorithm."""
SINGLE_AFTER_S = 10.0
"""A single stall begins so long after the window."""


@dataclass(frozen=True, slots=True)
class Case:
    """A target that answers `path` after `service_s` and stalls; and the rate that is offered to it.

    As many `connections`, or users of the open model, as the rate needs while the target stalls: every second of wrk2's 5 ms a connection that it
    takes to begin must be whole, as must the number of connections that are to send in 5 ms.
    """

    name: str
    title: str
    path: str
    service_s: float
    stall_s: float
    every_s: float
    rate_per_s: int
    connections: int
    few_users: int
    """As many as the rate needs, and a quarter more, where nothing stalls."""
    window_s: int = 30
    """What counts of each tool: a whole number of stalls."""

    def __post_init__(self) -> None:
        """Hold what the class says of the numbers."""
        assert self.connections % 200 == 0
        assert self.rate_per_s % 200 == 0
        assert self.connections / self.rate_per_s > self.stall_s + self.service_s
        assert self.fits(self.window_s)

    @property
    def single(self) -> bool:
        """Whether there is one stall in the window."""
        return math.isinf(self.every_s)

    def fits(self, window_s: int) -> bool:
        """Return whether such a window has a whole number of stalls."""
        return window_s >= SINGLE_AFTER_S + 2 * self.stall_s if self.single else window_s % self.every_s == 0

    @property
    def period_s(self) -> float:
        """From stall to stall: so much above `every_s` that the stalls of a window begin at as many points between two arrivals."""
        return self.every_s if self.single else self.every_s + 1 / self.rate_per_s / (self.window_s / self.every_s)

    @property
    def pause(self) -> str:
        """What the target is told, to stall from that moment on."""
        return f"pause {self.stall_s}" if self.single else f"pause {self.stall_s} {self.period_s}"

    def think_s(self, users: int) -> float:
        """Return for how long each of so many users of the closed model waits, so that all together would make the rate."""
        return users / self.rate_per_s - self.service_s

    def target(self, window_begin_s: float) -> Target:
        """Return the target in theory; its stalls lie as in a run whose window begins then."""
        first_s = window_begin_s + SINGLE_AFTER_S if self.single else 0.25 * self.every_s
        return Target(self.service_s, Stalls(first_s, self.stall_s, self.period_s))


CASES = (
    Case("second", "stalls for 1 s in every 10 s, else answers in 200 ms", "/slower", 0.2, 1.0, 10.0, 200, 400, 50),
    Case("short", "stalls for 300 ms in every 3 s, else answers in 100 ms", "/slow", 0.1, 0.3, 3.0, 200, 200, 25),
    Case("once", "stalls once for 1.2 s, else answers in 100 ms", "/slow", 0.1, 1.2, math.inf, 200, 400, 25),
)
