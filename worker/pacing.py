"""When a user's tasks are to begin: a schedule that no late task moves, and on which missed tasks are made up for.

They are used as Locust's of the same names:

    class Visitor(HttpUser):
        wait_time = constant_pacing(1.0)  # a task every second

Locust's begin anew wherever a late task ends. While a target stalls it is asked less, and what was not asked is in no
percentile (coordinated omission). Here task n of a user is due at start + n × period, whatever became of those before it.
If a task ends after the next one is due, that begins at once, and so do those after it until the user has caught up; the
first request of each is counted from when its task was due (see `Session.intended_s`). That goes for worker.http only:
other clients' requests are made as the schedule has it, and counted as the client counts them.

A task is late because the one before it was. That the generator's own event loop wakes a user late is no latency of the
target; it is measured as loop lag. Nor is it that answers lie unread before a task can go on: where the system tells for
how long they did, a late task counts from so much later than it was due. Users that have fallen behind for such a lag make up for it like for any other, so it
counts in each second in which they do (see `LoopLag.carry`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from logging import getLogger
from types import MethodType
from typing import Any, Self

MAX_BEHIND_S = 60.0
"""How far a user may be behind its schedule unless told otherwise: a stall of a minute is made up for in whole."""

logger = getLogger(__name__)


def constant_pacing(period_s: float, *, max_behind_s: float = MAX_BEHIND_S) -> Pacing:
    """A `wait_time`: a task is due every `period_s` seconds, however long tasks take.

    Tasks that would begin more than `max_behind_s` seconds late are not made up for, but counted in `missed`; with 0 a
    user leaves out whatever it is late for. Raises ValueError.
    """
    return Pacing(period_s, max_behind_s)


def constant_throughput(tasks_per_s: float, *, max_behind_s: float = MAX_BEHIND_S) -> Pacing:
    """As constant_pacing, by how many tasks a second are due for each user. Raises ValueError."""
    if not tasks_per_s > 0:
        raise ValueError(f"constant_throughput() needs a rate above 0, not {tasks_per_s}")
    return Pacing(1 / tasks_per_s, max_behind_s)


class Schedule:
    """When one user's tasks are due: task n, from 0, at `start_s` + n × `period_s`. Looks at no clock of its own."""

    def __init__(self, start_s: float, period_s: float, max_behind_s: float) -> None:
        self.due_s = start_s
        """When the task under way was due."""
        self.missed = 0
        """Tasks that were due too long ago to be made up for."""
        self.in_time_s = start_s
        """When the latest task that did not begin late was due."""
        self._number = 0
        self._start_s = start_s
        self._period_s = period_s
        self._max_behind_s = max_behind_s

    def advance(self, now_s: float) -> int:
        """The task under way has ended: go on to the next that was not missed. How many were, on the way to it."""
        number = self._number + 1
        too_late_s = now_s - self._max_behind_s - self._due_s(number)
        missed = math.ceil(too_late_s / self._period_s) if too_late_s > 0 else 0
        self._number = number + missed
        self.missed += missed
        self.due_s = self._due_s(self._number)
        if self.due_s >= now_s:
            self.in_time_s = self.due_s
        return missed

    def _due_s(self, number: int) -> float:
        # From the start each time: rounding does not add up.
        return self._start_s + number * self._period_s


class Pacing:
    """The `wait_time` of a class of users, or of a TaskSet; each of them has its own Schedule, as `pacing_schedule`.

    That of a worker.http.HttpUser starts with its first task; that of another User when it is made, as in Locust, so that
    its `on_start` is part of its first task; that of a TaskSet when it is entered.
    """

    def __init__(self, period_s: float, max_behind_s: float) -> None:
        """Raises ValueError."""
        if not 0 < period_s < math.inf:
            raise ValueError(f"a period is above 0 s and finite, not {period_s}")
        if not max_behind_s >= 0:
            raise ValueError(f"max_behind_s is 0 or more, not {max_behind_s}")
        self.missed = 0
        """Tasks missed by all users of this process that have this pacing: `Visitor.wait_time.missed`."""
        self._period_s = period_s
        self._max_behind_s = max_behind_s

    def __get__(self, holder: Any, owner: type | None = None) -> Self | MethodType:
        return self if holder is None else MethodType(self, holder)

    def __call__(self, holder: Any) -> float:
        """Seconds until the next task of `holder`, a User or TaskSet. Its client learns when that was due, if it is late."""
        now_s = time.monotonic()
        schedule: Schedule | None = getattr(holder, "pacing_schedule", None)
        if schedule is None:
            # What Locust gives each User and TaskSet for its own pacing: when it was made.
            made_s = now_s - (time.perf_counter() - holder._cp_last_run)  # noqa: SLF001  # it has no public name
            schedule = self._start(holder, made_s)
        missed = schedule.advance(now_s)
        if missed:
            self._note_missed(holder, missed)
        wait_s = schedule.due_s - now_s
        client: Any = getattr(holder, "client", None)
        if hasattr(client, "intended_s"):
            if wait_s < 0:
                client.intended_s = min(now_s, schedule.due_s + client.unread_s)
            else:
                client.intended_s, client.unread_s = None, 0.0
            client.behind_since_s = schedule.in_time_s
        return wait_s if wait_s > 0 else 0.0

    def start_after(self, on_start: Callable[[], None], user: Any) -> None:
        """Call `on_start`; the schedule of `user` starts when it returns."""
        on_start()
        self._start(user, time.monotonic())

    def _start(self, holder: Any, start_s: float) -> Schedule:
        schedule = holder.pacing_schedule = Schedule(start_s, self._period_s, self._max_behind_s)
        return schedule

    def _note_missed(self, holder: Any, missed: int) -> None:
        if not self.missed:  # once, not for each of a thousand users
            name = type(holder).__name__
            logger.warning("%s is more than %g s behind its schedule: tasks are missed", name, self._max_behind_s)
        self.missed += missed
