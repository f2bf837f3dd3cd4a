"""Deals the arrivals of an open run out to the workers, a few seconds ahead of their due times. Pure; plan time is a parameter.

The dealer hands out ranges of arrivals, each range once, and within a range an arrival belongs to the one worker that has its
slot. So no arrival is made twice or left out, whatever workers come and go in between. A worker that leaves takes with it only what
had been dealt to it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping

from master.load.slots import assign_slots
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.wire.messages import ArrivalDeal

MAX_LATE_S = 1.0
"""Arrivals that have been due for longer are not dealt any more: no worker would start them."""


class ArrivalDealer:
    """Deals out the arrivals of one run, in epochs of `epoch_s` of plan time, each at least `lead_s` before it begins.

    `dealt` is what the next controller has to `resume_at`. Let it be stored before what was dealt is sent: an arrival that was
    dealt and not sent is lost, and counted so; one that is dealt again may be made twice.
    """

    def __init__(self, schedule: ArrivalSchedule, epoch_s: float = 2.0, lead_s: float = 3.0) -> None:
        self._schedule = schedule
        self._epoch_s = epoch_s
        self._lead_s = lead_s
        self._users: dict[str, dict[str, int]] = {}
        self._base, self._period = 0, 0
        self._slots: dict[str, dict[str, list[int]]] = {}
        self.dealt = 0
        """All arrivals before this one have been dealt out, or skipped."""
        self.skipped = 0
        """The arrivals that were dealt to nobody, since there was no worker in time."""

    @property
    def done(self) -> bool:
        """Whether every arrival of the run has been dealt out or skipped."""
        return self.dealt >= self._schedule.total

    def resume_at(self, arrival: int) -> None:
        """Go on with this arrival: an earlier controller has dealt those before it."""
        self.dealt = max(self.dealt, arrival)

    def deal(self, plan_now_s: float, users: Mapping[str, Mapping[str, int]]) -> dict[str, ArrivalDeal]:
        """What each worker gets now; call it at least once an epoch. `users` are those placed on each worker, by class.

        Empty when enough has been dealt for now. Workers of whose slots none comes up get nothing. `start_s` is 0 in each deal: it
        is a time of the worker's own clock.
        """
        until_s = math.ceil((plan_now_s + self._lead_s) / self._epoch_s) * self._epoch_s
        end = self._schedule.count_before(until_s)
        if end <= self.dealt:
            return {}
        if users != self._users or not self._period:
            self._assign(users)
        first = max(self.dealt, min(end, self._schedule.count_before(plan_now_s - MAX_LATE_S)))
        self.skipped += first - self.dealt
        self.dealt = first
        if not self._period or first == end:
            return {}
        self.dealt = end
        return {
            worker: ArrivalDeal(first, end, 0.0, self._base, self._period, slots)
            for worker, slots in self._slots.items()
            if end - first >= self._period or self._comes_up(slots, first, end)
        }

    def _assign(self, users: Mapping[str, Mapping[str, int]]) -> None:
        # It goes on at the same place of its turn: if users change often, all workers get their share nevertheless.
        turn = (self.dealt - self._base) % self._period / self._period if self._period else 0.0
        self._users = {worker: dict(counts) for worker, counts in users.items()}
        self._period, self._slots = assign_slots(users)
        self._base = (self.dealt - int(turn * self._period)) % self._period if self._period else 0

    def _comes_up(self, slots: dict[str, list[int]], first: int, end: int) -> bool:
        # Fewer arrivals than slots: they are those of a stretch of one turn, or of the end of one and the start of the next.
        begin = (first - self._base) % self._period
        stop = begin + end - first
        for numbers in slots.values():
            at = bisect_left(numbers, begin)
            if (at < len(numbers) and numbers[at] < stop) or numbers[0] < stop - self._period:
                return True
        return False
