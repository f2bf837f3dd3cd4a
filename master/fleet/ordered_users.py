"""How many users a worker can be running. Pure; times are parameters."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

ORDER_ON_ITS_WAY_S = 30.0
"""How long users that were ordered to stop may still be told of, beyond their stop timeout."""


class OrderedUsers:
    """How many users of each class one worker can be running, by the orders that it was given."""

    def __init__(self, stop_timeout_s: float) -> None:
        """`stop_timeout_s` is how long a user that is told to stop may take to finish its task."""
        self._leaving_s = stop_timeout_s + ORDER_ON_ITS_WAY_S
        self._now: dict[str, int] = {}
        self._most: dict[str, int] = {}
        """The most of each class that were ever ordered: a report may be as old as its worker was cut off for."""
        self._leaving: deque[tuple[float, str, int]] = deque()
        """Users told to stop: until when they may still be there, their class, and how many."""

    def order(self, users: Mapping[str, int], now_s: float) -> None:
        """It was ordered to run these, and to end what it has beyond them."""
        self._forget(now_s)
        for name, count in users.items():
            less = self._now.get(name, 0) - count
            if less > 0:
                self._leaving.append((now_s + self._leaving_s, name, less))
            self._most[name] = max(count, self._most.get(name, 0))
            self._now[name] = count

    def most(self, name: str, now_s: float) -> int:
        """How many of class `name` it can be running: the most ever ordered, and those beside them that were to end lately."""
        self._forget(now_s)
        return self._most.get(name, 0) + sum(count for _, leaving, count in self._leaving if leaving == name)

    def total(self, now_s: float) -> int:
        """The same, of all classes."""
        self._forget(now_s)
        return sum(self._most.values()) + sum(count for _, _, count in self._leaving)

    def _forget(self, now_s: float) -> None:
        while self._leaving and self._leaving[0][0] < now_s:
            self._leaving.popleft()
