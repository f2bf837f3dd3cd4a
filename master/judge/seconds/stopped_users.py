"""Users that were stopped as the scenario says, since there were no data rows for them: none is missing for that. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

STOPPED_USERS_KEY = "stopped_users"
"""The key in run.db's meta table for the steps: a second of the run, and how many stopped users had been told of by its end."""
MAX_STEPS = 10_000
REPORTED_AFTER_S = 5
"""A worker tells of it with a report, so long after it at most."""


class StoppedUsers:
    """How many users had been stopped by each second."""

    def __init__(self, steps: Sequence[tuple[int, int]] = ()) -> None:
        self._steps = list(steps)

    @classmethod
    def unpack(cls, stored: object) -> StoppedUsers:
        """From what `pack` made; of what is not there, none."""
        return cls(msgspec.convert(stored or [], list[tuple[int, int]]))

    def pack(self) -> list[tuple[int, int]]:
        """As it can be stored."""
        return self._steps

    def note(self, second: int, users: int) -> bool:
        """By this second so many had been told of; whether that is new."""
        if users == (self._steps[-1][1] if self._steps else 0):
            return False
        if self._steps and (self._steps[-1][0] >= second or len(self._steps) >= MAX_STEPS):
            self._steps[-1] = (self._steps[-1][0], users)
        else:
            self._steps.append((second, users))
        return True

    def before(self, second: int) -> int:
        """How many may have been stopped when a second ended."""
        index = bisect_right(self._steps, second + REPORTED_AFTER_S, key=lambda step: step[0])
        return self._steps[index - 1][1] if index else 0
