"""Which arrivals are this worker's, from what the controller deals out to it. Pure.

Arrivals are worked out one by one as they are taken. Kept are only the deals that have not been taken to their end: the controller
deals a few seconds ahead, and a deal has a number for each user of this worker.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import NamedTuple

from worker.load.arrivals.schedule import ArrivalSchedule
from worker.wire.messages import ArrivalDeal


class Arrival(NamedTuple):
    """One arrival that is this worker's to start."""

    due_s: float
    """When it is due, on the worker's monotonic clock."""
    user_class: str
    number: int
    """Its number in the schedule of the whole fleet."""


class Stripes:
    """The arrivals of one worker in the order in which they are due."""

    def __init__(self, schedule: ArrivalSchedule) -> None:
        self._schedule = schedule
        self._deals: deque[_Stripe] = deque()
        self._table: _Table | None = None
        self.dealt = 0
        """All arrivals before this one have been dealt out, to this worker or to others."""

    def accept(self, deal: ArrivalDeal) -> None:
        """Take in a deal. What has been dealt out before, it deals out no second time.

        Raises ValueError for a deal that no schedule has, which leaves everything as it was.
        """
        if deal.end < deal.first or deal.end > self._schedule.total:
            raise ValueError(f"arrivals {deal.first} to {deal.end} are dealt out of {self._schedule.total}")
        first = max(deal.first, self.dealt)
        if first < deal.end:
            if self._table is None or self._table.period != deal.period or self._table.by_class != deal.slots:
                self._table = _Table(deal)
            self._deals.append(_Stripe(deal, self._table, first))
            self.dealt = deal.end

    def next(self) -> Arrival | None:
        """Take the next arrival; None as long as no more are dealt out to this worker."""
        while self._deals:
            stripe = self._deals[0]
            found = stripe.take()
            if found is not None:
                number, user_class = found
                return Arrival(stripe.start_s + self._schedule.due_s(number), user_class, number)
            self._deals.popleft()
        return None


class _Table:
    """The slots of a worker. To put 10 000 of them in order takes 5 ms, so one table serves until slots change."""

    def __init__(self, deal: ArrivalDeal) -> None:
        self.by_class = deal.slots
        self.period = deal.period
        owned = sorted((slot, name) for name, slots in deal.slots.items() for slot in slots)
        self.slots = [slot for slot, _ in owned]
        self.classes = [name for _, name in owned]
        if owned and not 0 <= self.slots[0] <= self.slots[-1] < deal.period:
            raise ValueError(f"slots {self.slots[0]} to {self.slots[-1]} are dealt out of {deal.period}")
        if len(set(self.slots)) < len(self.slots):
            raise ValueError("a slot is dealt out twice")


class _Stripe:
    """What is left of one deal."""

    __slots__ = ("_end", "_index", "_table", "_turn", "start_s")

    def __init__(self, deal: ArrivalDeal, table: _Table, first: int) -> None:
        self._table = table
        self.start_s = deal.start_s
        self._end = deal.end
        self._turn = first - (first - deal.base) % deal.period
        """The arrival in slot 0 of the present turn through all slots."""
        self._index = bisect_left(table.slots, first - self._turn)

    def take(self) -> tuple[int, str] | None:
        slots, index = self._table.slots, self._index
        if index == len(slots):
            index = 0
            self._turn += self._table.period
        self._index = index + 1
        if not slots or self._turn + slots[index] >= self._end:
            return None
        return self._turn + slots[index], self._table.classes[index]
