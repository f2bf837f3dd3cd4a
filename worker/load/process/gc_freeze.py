"""Keeping full garbage collections short: what lives as long as the load does is left out of them.

A worker process holds some 50 000 objects that Python's collector looks at, and a rack of 250 simulated nodes 110 000 before the
first user comes: a full collection stops the event loop for 25 to 60 ms on an x86 core, and for several times that on a Pi's.
`gc.freeze` puts all that is there out of the collector's reach, at no cost. Reference counting still frees it; of what is there,
only circles of garbage stay, until the load ends.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Protocol

UPDATE_INTERVAL_S = 1.0
GROWTH = 1.25
"""Newcomers are left out of collections again whenever there are so many times as many users as when they last were. The
circles of garbage that stay are thereby bounded, by what so many users leave, however often users come and go."""


class GarbageCollector(Protocol):
    """What of the module `gc` is used."""

    def collect(self) -> int:
        """Find all garbage."""

    def freeze(self) -> None:
        """Look at nothing that is there now."""

    def unfreeze(self) -> None:
        """Look at everything again."""


class GcFreezer:
    """Watches how many users a process has, and leaves out of collections what came before they ran, and they themselves."""

    def __init__(self, users: Callable[[], int], collector: GarbageCollector = gc) -> None:
        """`users` tells how many there are now."""
        self._users = users
        self._collector = collector
        self._before = 0
        self._left_out = 0

    def run(self, sleep: Callable[[float], None]) -> None:
        """Look every UPDATE_INTERVAL_S, for ever."""
        while True:
            sleep(UPDATE_INTERVAL_S)
            self.look()

    def look(self) -> None:
        """Act on how many users there are. What takes long, a full collection, is at both ends of the load alone."""
        users = self._users()
        if users and not self._before:
            self._collector.collect()
            self._collector.freeze()
        elif self._before and not users:
            self._collector.unfreeze()
            self._collector.collect()
            self._left_out = 0
        elif users == self._before and users > GROWTH * self._left_out:
            self._collector.freeze()
            self._left_out = users
        self._before = users
