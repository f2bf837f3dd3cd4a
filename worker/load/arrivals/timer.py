"""The timer of a process: it has the arrivals of all of its workers started when they are due.

It is one kernel timer, whose callback runs in the event loop, before the sockets that are ready at the same time; it switches
straight to the users that start. No greenlet waits for a due time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from heapq import heappop, heappush

from worker.load.arrivals.starter import ArrivalStarter
from worker.load.process.timerfd import Alarm, exact_alarm

STEPS_AT_ONCE = 100
"""Arrivals that are decided before the event loop has a turn, so that answers are read meanwhile also when many are due at once."""

logger = logging.getLogger(__name__)


class ArrivalTimer:
    """Has each starter take its steps in time, those of all starters in the order in which they are due."""

    def __init__(
        self,
        make_alarm: Callable[[Callable[[], None]], Alarm] = exact_alarm,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make_alarm` makes an alarm that calls back."""
        self._clock = clock
        self._agenda: list[tuple[float, int, ArrivalStarter]] = []
        self._entries = 0  # so that no two starters are ever compared
        self._alarm = make_alarm(self._run)

    def update(self, starter: ArrivalStarter) -> None:
        """What `starter` has to do next has changed."""
        self._schedule(starter)
        self._set_alarm()

    def _schedule(self, starter: ArrivalStarter) -> None:
        at_s = starter.at_s
        if at_s == starter.scheduled_s:
            return
        starter.scheduled_s = at_s  # an entry of another time is void
        if at_s is not None:
            self._entries += 1
            heappush(self._agenda, (at_s, self._entries, starter))

    def _run(self) -> None:
        # Called by the event loop, which would not call again if this raised.
        try:
            self._take_steps()
        finally:
            self._set_alarm()

    def _take_steps(self) -> None:
        for _ in range(STEPS_AT_ONCE):
            if not self._agenda or self._agenda[0][0] > self._clock():
                return
            at_s, _, starter = heappop(self._agenda)
            if starter.scheduled_s != at_s:
                continue
            starter.scheduled_s = None
            try:
                starter.step()
                self._schedule(starter)
            except Exception:
                logger.exception("a worker's arrivals can't be started")

    def _set_alarm(self) -> None:
        while self._agenda and self._agenda[0][2].scheduled_s != self._agenda[0][0]:
            heappop(self._agenda)
        self._alarm.set(self._agenda[0][0] if self._agenda else None)
