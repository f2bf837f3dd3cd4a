"""Schedules of a user's tasks that no late task moves: `constant_pacing` and `constant_throughput`.

They are used as Locust's of the same names:

    class Visitor(HttpUser):
        wait_time = constant_pacing(1.0)  # a task every second

Locust's start anew wherever a late task ends. While a target stalls it gets fewer requests, and those that were not sent are
in no percentile (coordinated omission). Here task n of a user is due at start + n × period, whatever became of those before
it. If a task ends after the next one is due, that begins at once, and so do those after it until the user has caught up; the
latency of the first request of each counts from when its task was due (see `Session.intended_s`). That goes for worker.http and
worker.measure: other clients' requests are sent on the same schedule, and counted as the client counts them.

A task is late because the one before it was. That the generator's own event loop wakes a user late is no latency of the
target; it is measured as loop lag. Nor is the time in which responses lay unread before a task could go on: where the kernel
tells it, a late task counts from so much later than it was due. Users that such a lag has left behind catch up as they do
from any other delay, so it counts in each second in which they do (see `LoopLag.carry`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from logging import getLogger
from types import MethodType
from typing import Any, Self

from worker.due_task import DueTask

MAX_BEHIND_S = 60.0
"""Default of how far a user may be behind its schedule: it catches up in full after a stall of a minute."""

logger = getLogger(__name__)


def constant_pacing(period_s: float, *, max_behind_s: float = MAX_BEHIND_S) -> Pacing:
    """A `wait_time`: a task is due every `period_s` seconds, however long tasks take.

    Tasks that would begin more than `max_behind_s` seconds late are skipped and counted in `missed`; with 0 a user skips
    every task that it is late for. Raises ValueError for a period that is not above 0 s, or a negative `max_behind_s`.
    """
    return Pacing(period_s, max_behind_s)


def constant_throughput(tasks_per_s: float, *, max_behind_s: float = MAX_BEHIND_S) -> Pacing:
    """A `wait_time`: `tasks_per_s` tasks a second are due for each user; else as constant_pacing. Raises ValueError."""
    if not tasks_per_s > 0:
        raise ValueError(f"constant_throughput() needs a rate above 0, not {tasks_per_s}")
    return Pacing(1 / tasks_per_s, max_behind_s)


class Schedule:
    """The due times of one user's tasks: task n, from 0, is due at `start_s` + n × `period_s`. Reads no clock."""

    def __init__(self, start_s: float, period_s: float, max_behind_s: float) -> None:
        self.due_s = start_s
        """When the task under way was due."""
        self.missed = 0
        """Number of tasks that were skipped because they were due more than `max_behind_s` ago."""
        self.in_time_s = start_s
        """When the last task that began on time was due."""
        self._number = 0
        self._start_s = start_s
        self._period_s = period_s
        self._max_behind_s = max_behind_s

    def advance(self, now_s: float) -> int:
        """Go on to the next task that is not missed, now that the one under way has ended; returns how many were missed."""
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
        # From the start each time, so that rounding errors do not add up.
        return self._start_s + number * self._period_s


class Pacing:
    """The `wait_time` of a class of users, or of a TaskSet; each instance has a Schedule of its own, `pacing_schedule`.

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
        """Seconds until the next task of `holder`, a User or TaskSet. If that is late, its client is given the due time."""
        now_s = time.monotonic()
        schedule: Schedule | None = getattr(holder, "pacing_schedule", None)
        if schedule is None:
            # Locust notes when each User and TaskSet was made, for its own pacing.
            made_s = now_s - (time.perf_counter() - holder._cp_last_run)  # noqa: SLF001  # it has no public name
            schedule = self._start(holder, made_s)
        missed = schedule.advance(now_s)
        if missed:
            self._note_missed(holder, missed)
        wait_s = schedule.due_s - now_s
        due = _due_task(holder)
        if wait_s < 0:
            due.intended_s = min(now_s, schedule.due_s + due.unread_s)
        else:
            due.intended_s, due.unread_s = None, 0.0
        due.behind_since_s = schedule.in_time_s
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


def _due_task(holder: Any) -> Any:
    """What tells the clients of a user, or of a task set's user, when its task was due."""
    client: Any = getattr(holder, "client", None)
    if hasattr(client, "intended_s"):
        return client
    user = getattr(holder, "user", holder)
    return vars(user).setdefault("due_task", DueTask())
