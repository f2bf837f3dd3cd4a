"""Notifications to systemd that a process is up and alive: sd_notify(3), as far as an agent needs it.

systemd names a datagram socket in NOTIFY_SOCKET, and in WATCHDOG_USEC the time without a notification after which it restarts
the process. Without the former nothing is sent.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
from collections.abc import Mapping

NOTICES_PER_TIMEOUT = 4
"""Notifications per watchdog timeout: one or two may be late."""


class Watchdog:
    """Sends systemd's notifications from the loop that must not stall."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is the process's own. A WATCHDOG_USEC that was inherited from another process does not count."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address  # @ is the abstract namespace
        limit = environment.get("WATCHDOG_USEC", "")
        for_this_process = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = for_this_process and limit.isdecimal() and int(limit) > 0
        self._interval_s = int(limit) / 1e6 / NOTICES_PER_TIMEOUT if watched else math.inf
        self._due_s = -math.inf if address else math.inf
        self._message = "READY=1\nWATCHDOG=1"
        self._status = ""

    def notify(self, now_s: float, status: str = "") -> None:
        """Notify if it is due, or if `status` has changed: one line for people on what the process does.

        The first call says that the process is up. Never blocks or raises.
        """
        if now_s < self._due_s and (status == self._status or not self._address):
            return
        message = f"{self._message}\nSTATUS={status}" if status != self._status else self._message
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify_socket:
            notify_socket.setblocking(False)
            notify_socket.sendto(message.encode(), self._address)
            # A notification that failed is sent at the next call.
            self._due_s = now_s + self._interval_s
            self._message = "WATCHDOG=1"
            self._status = status
