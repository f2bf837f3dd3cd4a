"""The arrivals of one worker, from the controller's deals to users that start them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

import gevent
import msgspec

from worker.load.arrivals.schedule import ArrivalSchedule
from worker.load.arrivals.starter import ArrivalStarter
from worker.load.arrivals.stripes import Stripes
from worker.load.arrivals.timer import ArrivalTimer
from worker.load.histogram import ArrivalTally
from worker.wire.messages import ArrivalDeal
from worker.wire.work import ArrivalPlan

MAX_PAST_S = 60.0
"""A deal whose first arrival was due longer ago is refused: it can't be meant, and all of it would be given up."""
MAX_AHEAD_S = 600.0
"""Likewise one whose last arrival is due later than this: deals are kept until they are due."""
DECIDED_WITHIN_S = 5.0
"""The time that the arrivals which are due at the end of the load get to be decided."""
_POLL_S = 0.001


class DealtArrivals:
    """The arrivals that are dealt to one worker."""

    def __init__(
        self,
        plan: ArrivalPlan,
        timer: ArrivalTimer,
        tally_of: Callable[[float, str], ArrivalTally],
        user_classes: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timer` is that of the process; `tally_of` as ArrivalStarter. Raises ValueError for a plan that is none."""
        self._timer = timer
        self._user_classes = user_classes
        self._clock = clock
        self._schedule = ArrivalSchedule(plan)
        self._stripes: Stripes | None = Stripes(self._schedule)
        self._ending = False
        self.starter = ArrivalStarter(self._next, tally_of, clock)
        """What starts them on free users."""

    def accept(self, data: Any) -> None:
        """Take in a deal, as it came over the wire. Raises ValueError for one that is none, or none for this worker now."""
        deal = msgspec.convert(data, ArrivalDeal)  # its ValidationError is a ValueError
        if self._stripes is None:
            raise ValueError("arrivals are dealt, but the load has ended here")
        if unknown := deal.slots.keys() - set(self._user_classes):
            raise ValueError(f"arrivals are dealt to users of unknown classes: {sorted(unknown)!r:.200}")
        if not 0 <= deal.first <= deal.end <= self._schedule.total:
            raise ValueError(f"arrivals {deal.first} to {deal.end} are dealt out of {self._schedule.total}")
        if deal.first == deal.end:
            return
        self._check_times(deal)
        self._stripes.accept(deal)
        self._timer.update(self.starter)

    def _check_times(self, deal: ArrivalDeal) -> None:
        now_s = self._clock()
        first_s = deal.start_s + self._schedule.due_s(deal.first)
        last_s = deal.start_s + self._schedule.due_s(deal.end - 1)
        # Seconds before the machine's start have no number.
        if not max(0.0, now_s - MAX_PAST_S) <= first_s <= last_s <= now_s + MAX_AHEAD_S:
            raise ValueError(f"arrivals are dealt that are due in {first_s - now_s:.3f} to {last_s - now_s:.3f} s")

    def open(self) -> None:
        """The load begins, or goes on after it had ended: deals are taken in from now on."""
        self._ending = False
        if self._stripes is None:
            self._begin()

    def _begin(self) -> None:
        self._stripes = Stripes(self._schedule)
        self.starter.begin()

    def end(self) -> None:
        """The load ends: decide on what is due, and drop what is not due yet."""
        if self._stripes is None:
            return
        self._ending = True
        self.starter.end(self._clock())
        self._timer.update(self.starter)
        with gevent.Timeout(DECIDED_WITHIN_S, False):  # gevent's way to say: just leave the block
            while self.starter.at_s is not None:
                gevent.sleep(_POLL_S)
        self._stripes = None
        if not self._ending:
            self._begin()  # another controller goes on with the load in the meantime

    def _next(self) -> Any:
        return None if self._stripes is None else self._stripes.next()
