"""Starts the arrivals of one worker on its free users when they are due. Pure: the clock is a parameter.

Each arrival is decided once:

- *started*: a user of its class was free when the worker came to look at it, or became free soon after;
- *missed*: no user was. It has waited for one for MIN_WAIT_S, or for as long as the worker itself was late for it: the answers
  that would have made a user free may have lain unread for as long;
- *given up*: the worker came to look at it more than MAX_LATE_S after it was due. That is the worker's fault alone.

It is counted in the second in which it was due. One that was started is *late* if the worker came to look at it more than
LATE_S after it was due. Its lateness is how much later than due it started.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol

from worker.load.arrivals.free_users import FreeUsers, Place, WaitingArrival
from worker.load.histogram import ArrivalTally

LATE_S = 0.010
"""A worker that looks at an arrival later than this after its due time is late for it."""
MAX_LATE_S = 1.0
"""An arrival that is looked at later than this is not started: it would come together with those of another second."""
MIN_WAIT_S = 0.010
"""The time for which an arrival may at least wait for a user."""


class Arrival(Protocol):
    """One arrival of this worker."""

    @property
    def due_s(self) -> float:
        """When it is due, on the worker's clock."""

    @property
    def user_class(self) -> str:
        """The class of the user that is to start it."""


class ArrivalStarter:
    """The arrivals and the free users of one worker."""

    def __init__(
        self,
        next_arrival: Callable[[], Arrival | None],
        tally_of: Callable[[float, str], ArrivalTally],
        clock: Callable[[], float],
    ) -> None:
        """`next_arrival` returns arrivals in the order in which they are due, None while no further one is known.

        `tally_of` returns the tally of a user class in the second of a time.
        """
        self._next_arrival = next_arrival
        self._tally_of = tally_of
        self._clock = clock
        self._users: defaultdict[str, FreeUsers] = defaultdict(FreeUsers)
        self._upcoming: Arrival | None = None
        self._ends: list[tuple[float, int, WaitingArrival]] = []
        self._waits = 0
        self._end_s = math.inf
        self.scheduled_s: float | None = None
        """When its timer will have it take its next step; the timer's own."""

    @property
    def at_s(self) -> float | None:
        """When there is something to do next; None while nothing is known."""
        ends_s = self._ends[0][0] if self._ends else None
        upcoming = self._upcoming
        if upcoming is None:
            upcoming = self._upcoming = self._next_arrival()
            if upcoming is None:
                return ends_s
        due_s = upcoming.due_s
        if due_s > self._end_s:
            return ends_s  # it is dropped, and so are those behind it, when the load begins again
        return due_s if ends_s is None or due_s < ends_s else ends_s

    def begin(self) -> None:
        """Start arrivals again after an end."""
        self._end_s, self._upcoming = math.inf, None

    def end(self, now_s: float) -> None:
        """Start nothing that is due after `now_s`, and have nothing wait for a user any more.

        What was due before is decided by the steps that follow, of which `at_s` says when there are no more.
        """
        self._end_s = now_s
        for _, _, waiting in self._ends:
            self._miss(waiting)
        self._ends.clear()

    def step(self) -> None:
        """Decide on one arrival that is due, or one wait that is over."""
        now_s = self._clock()
        at_s = self.at_s
        if at_s is None or at_s > now_s:
            return
        arrival = self._upcoming
        if arrival is None or at_s < arrival.due_s:
            self._miss(heappop(self._ends)[2])
            return
        self._upcoming = None
        late_s = now_s - arrival.due_s
        if late_s > MAX_LATE_S:
            self._tally_of(arrival.due_s, arrival.user_class).given_up += 1
            return
        users = self._users[arrival.user_class]
        place = users.pop()
        if place is not None:
            self._count_started(arrival.user_class, arrival.due_s, now_s, now_s)
            place.start()
            return
        waiting = WaitingArrival(arrival.user_class, arrival.due_s, now_s, now_s + max(MIN_WAIT_S, late_s))
        if now_s >= self._end_s:
            waiting.until_s = now_s
        users.wait(waiting)
        self._waits += 1
        heappush(self._ends, (waiting.until_s, self._waits, waiting))

    def take_waiting(self, user_class: str) -> WaitingArrival | None:
        """A user is free: the arrival that it has to start at once, None if none waits."""
        users = self._users[user_class]
        while (waiting := users.pop_waiting()) is not None:
            now_s = self._clock()
            if now_s <= waiting.until_s:
                self._count_started(user_class, waiting.due_s, waiting.looked_s, now_s)
                waiting.waited_s = now_s - waiting.looked_s
                return waiting
            self._tally_of(waiting.due_s, user_class).missed += 1
        return None

    def take_due(self, user_class: str) -> bool:
        """A user is free, and none waits: whether one is due that it has to start at once.

        While the event loop is busy with many answers that came together, it does not come to look at what is due, but those who
        had the answers get free one after the other.
        """
        at_s = self.at_s
        arrival = self._upcoming
        if at_s is None or arrival is None or arrival.user_class != user_class:
            return False
        now_s = self._clock()
        if arrival.due_s > min(now_s, self._end_s) or now_s - arrival.due_s > MAX_LATE_S:
            return False
        self._upcoming = None
        self._count_started(user_class, arrival.due_s, now_s, now_s)
        return True

    def add_free(self, place: Place, user_class: str) -> None:
        """A user waits for an arrival, as none has waited for it."""
        self._users[user_class].add(place)

    def remove_free(self, place: Place, user_class: str) -> None:
        """A user waits no more, if it did."""
        self._users[user_class].remove(place)

    def _miss(self, waiting: WaitingArrival) -> None:
        if self._users[waiting.user_class].expire(waiting):
            self._tally_of(waiting.due_s, waiting.user_class).missed += 1

    def _count_started(self, user_class: str, due_s: float, looked_s: float, now_s: float) -> None:
        tally = self._tally_of(due_s, user_class)
        tally.started += 1
        tally.lateness.add((now_s - due_s) * 1000)
        if looked_s - due_s > LATE_S:
            tally.late += 1
