"""Telling systemd that a process is up, and then again and again that it is alive: sd_notify(3), as far as an agent needs it.

Who starts the process names a datagram socket in NOTIFY_SOCKET when it wants to be told, and in WATCHDOG_USEC after how long
without a word it ends the process and starts it anew. With neither, nothing is told.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
from collections.abc import Mapping

NOTICES_PER_TIMEOUT = 4
"""So many words in the time after which the process would be ended: one or two may come late."""


class Watchdog:
    """Tells, from the loop that must not stand still, that it does not."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is the process's, as systemd made it. Other processes' variables, inherited, tell this one nothing."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address  # @ is the abstract namespace
        limit = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._interval_s = (
            int(limit) / 1e6 / NOTICES_PER_TIMEOUT if meant and limit.isdecimal() and int(limit) else math.inf
        )
        self._due_s = -math.inf if address else math.inf
        self._words = "READY=1\nWATCHDOG=1"
        self._status = ""

    def look(self, now_s: float, status: str = "") -> None:
        """Tell it, if it is time to, or `status` is another one: what the process does, in one line of words for people.

        The first call says that the process is up. Never blocks, never fails.
        """
        if now_s < self._due_s and (status == self._status or not self._address):
            return
        words = f"{self._words}\nSTATUS={status}" if status != self._status else self._words
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.setblocking(False)
            told.sendto(words.encode(), self._address)
            # What could not be told is told at the next look.
            self._due_s = now_s + self._interval_s
            self._words = "WATCHDOG=1"
            self._status = status
