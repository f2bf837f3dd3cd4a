"""Short full garbage collections: objects that live as long as the load are excluded from them.

A worker process holds some 50 000 objects that Python's collector looks at, and a rack of 250 simulated nodes 110 000 before the
first user comes: a full collection stops the event loop for 25 to 60 ms on an x86 core, and for several times that on a Pi's.
`gc.freeze` excludes all objects of that moment, at no cost. Reference counting still frees them; only cyclic garbage among them
stays, until the load ends.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Protocol

UPDATE_INTERVAL_S = 1.0
GROWTH = 1.25
"""Objects are frozen again when there are so many times as many users as at the last time. That bounds the cyclic garbage that
stays by what so many users leave, however often users come and go."""


class GarbageCollector(Protocol):
    """The functions of the module `gc` that are used."""

    def collect(self) -> int:
        """Run a full collection."""

    def freeze(self) -> None:
        """Exclude all objects of now from collections."""

    def unfreeze(self) -> None:
        """Include all objects again."""


class GcFreezer:
    """Excludes from collections what a process holds when users start, and the users themselves."""

    def __init__(self, users: Callable[[], int], collector: GarbageCollector = gc) -> None:
        """`users` returns their number now."""
        self._users = users
        self._collector = collector
        self._before = 0
        self._frozen_users = 0

    def run(self, sleep: Callable[[float], None]) -> None:
        """Update every UPDATE_INTERVAL_S, for ever."""
        while True:
            sleep(UPDATE_INTERVAL_S)
            self.update()

    def update(self) -> None:
        """Freeze or unfreeze by the number of users now. A full collection, which is slow, happens only at both ends of the load."""
        users = self._users()
        if users and not self._before:
            self._collector.collect()
            self._collector.freeze()
        elif self._before and not users:
            self._collector.unfreeze()
            self._collector.collect()
            self._frozen_users = 0
        elif users == self._before and users > GROWTH * self._frozen_users:
            self._collector.freeze()
            self._frozen_users = users
        self._before = users
