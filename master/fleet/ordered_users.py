"""How many users a worker can be running. Pure; times are parameters."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

ORDER_DELIVERY_S = 30.0
"""How long users that were ordered to stop may still be reported, beyond their stop timeout."""


class OrderedUsers:
    """How many users of each class one worker can be running, by the orders that it was given."""

    def __init__(self, stop_timeout_s: float) -> None:
        """`stop_timeout_s` is how long a user that is ordered to stop may take to finish its task."""
        self._stopping_s = stop_timeout_s + ORDER_DELIVERY_S
        self._now: dict[str, int] = {}
        self._max: dict[str, int] = {}
        """The most of each class that were ever ordered: a report may be as old as its worker was cut off for."""
        self._stopping: deque[tuple[float, str, int]] = deque()
        """Users ordered to stop: until when they may still be there, their class, and how many."""

    def order(self, users: Mapping[str, int], now_s: float) -> None:
        """It was ordered to run these, and to end what it has beyond them."""
        self._forget(now_s)
        for name, count in users.items():
            less = self._now.get(name, 0) - count
            if less > 0:
                self._stopping.append((now_s + self._stopping_s, name, less))
            self._max[name] = max(count, self._max.get(name, 0))
            self._now[name] = count

    def max_users(self, name: str, now_s: float) -> int:
        """How many of class `name` it can be running: the most ever ordered, and those beside them that were to end lately."""
        self._forget(now_s)
        return self._max.get(name, 0) + sum(count for _, stopping, count in self._stopping if stopping == name)

    def total(self, now_s: float) -> int:
        """The same, of all classes."""
        self._forget(now_s)
        return sum(self._max.values()) + sum(count for _, _, count in self._stopping)

    def _forget(self, now_s: float) -> None:
        while self._stopping and self._stopping[0][0] < now_s:
            self._stopping.popleft()
