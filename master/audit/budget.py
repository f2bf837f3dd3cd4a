"""How many requests an audit may send, how fast, and for how long. Pure: times are passed in, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


class BudgetError(Exception):
    """A limit of the audit is reached; says which."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one audit."""

    rate_per_s: float = 50.0
    max_requests: int = 3000
    max_duration_s: float = 300.0


class Budget:
    """Counts requests against the limits. Each is due no earlier than 1/rate after the one before was."""

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._limits = limits
        self._ends_s = now_s + limits.max_duration_s
        self._next_due_s = now_s
        self.requests = 0

    def take(self, now_s: float) -> float:
        """Count one request; the seconds to wait before it is sent. Raises BudgetError."""
        if self.requests >= self._limits.max_requests:
            raise BudgetError(f"the limit of {self._limits.max_requests} requests is reached (--max-requests)")
        due_s = max(now_s, self._next_due_s)
        self.require_time(due_s)
        self._next_due_s = due_s + 1 / self._limits.rate_per_s
        self.requests += 1
        return due_s - now_s

    def left_s(self, now_s: float) -> float:
        """Seconds until the audit's time is over."""
        return max(0.0, self._ends_s - now_s)

    def require_time(self, at_s: float) -> None:
        """Raise BudgetError if the audit's time is over at `at_s`."""
        if at_s >= self._ends_s:
            raise BudgetError(f"the limit of {self._limits.max_duration_s:g} s is reached (--max-duration)")
