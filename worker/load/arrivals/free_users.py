"""The free users of one class on one worker, and the arrivals that wait for one. Pure: times are parameters.

Users take their turns: the one that has been free for the longest is the next to start. So every user of the pool is used as
often as any other, with its account, its cookies and its connection, as the users of a population are; were the latest one
taken, a few would do all the work while the target answers quickly, and the others would come cold, with a connection to make,
in the very moment in which it stalls.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Protocol


class Place(Protocol):
    """A user that waits for an arrival."""

    @property
    def free(self) -> bool:
        """Whether it may start one: it is neither about to end nor gone."""

    def start(self) -> None:
        """Have the user start its task, now."""


class WaitingArrival:
    """An arrival that was due when no user was free."""

    __slots__ = ("decided", "due_s", "looked_s", "until_s", "user_class", "waited_s")

    def __init__(self, user_class: str, due_s: float, looked_s: float, until_s: float) -> None:
        self.user_class = user_class
        self.due_s = due_s
        self.looked_s = looked_s
        """When the worker came to look at it."""
        self.until_s = until_s
        """The end of its wait."""
        self.waited_s = 0.0
        """How long it has waited for the user that starts it."""
        self.decided = False
        """Whether it has been started or missed."""


class FreeUsers:
    """The users of one class that are free; while there are none, the arrivals that wait for one."""

    def __init__(self) -> None:
        self._places: OrderedDict[Place, None] = OrderedDict()
        self._waiting: deque[WaitingArrival] = deque()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, place: Place) -> None:
        """A user is free, as no arrival waits."""
        self._places[place] = None

    def remove(self, place: Place) -> None:
        """A user is not free any more, if it was."""
        self._places.pop(place, None)

    def pop(self) -> Place | None:
        """The user that has been free for the longest, who then is not any more; None without any."""
        while self._places:
            place, _ = self._places.popitem(last=False)
            if place.free:
                return place
        return None

    def wait(self, arrival: WaitingArrival) -> None:
        """An arrival waits for a user."""
        self._waiting.append(arrival)

    def pop_waiting(self) -> WaitingArrival | None:
        """The arrival that has waited for the longest, which is decided by that; None without any."""
        self._trim()
        if not self._waiting:
            return None
        arrival = self._waiting.popleft()
        arrival.decided = True
        return arrival

    def expire(self, arrival: WaitingArrival) -> bool:
        """The wait of an arrival is over; whether that decides it. After a stall those due last have waited enough first."""
        if arrival.decided:
            return False
        arrival.decided = True
        self._trim()
        return True

    def _trim(self) -> None:
        while self._waiting and self._waiting[0].decided:
            self._waiting.popleft()
