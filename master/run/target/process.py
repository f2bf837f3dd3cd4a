"""What the processes of a target on this machine use."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

CHILDREN_EVERY = 10
"""Samples from one look for new child processes to the next: to go through all processes of a machine takes some milliseconds."""


class Usage(NamedTuple):
    """What the target's processes used since the sample before, and use now."""

    cpu_percent: float
    """Of one core, all of them together."""
    memory_bytes: int
    """Resident."""


class TargetProcess:
    """The process of a target, and those that it has started."""

    def __init__(self, pid: int) -> None:
        """Raises psutil.Error where there is no such process, or it may not be looked at."""
        self._process = psutil.Process(pid)
        self._process.cpu_percent()
        self._known: dict[int, psutil.Process] = {pid: self._process}
        self._samples = 0

    def sample(self) -> Usage | None:
        """What they use; None when the process has ended."""
        if self._samples % CHILDREN_EVERY == 0:
            self._find_children()
        self._samples += 1
        cpu_percent, memory_bytes = 0.0, 0
        for pid, process in list(self._known.items()):
            try:
                with process.oneshot():
                    cpu_percent += process.cpu_percent()
                    memory_bytes += process.memory_info().rss
            except psutil.Error:
                del self._known[pid]
        return Usage(cpu_percent, memory_bytes) if self._process.pid in self._known else None

    def _find_children(self) -> None:
        with contextlib.suppress(psutil.Error):
            for child in self._process.children(recursive=True):
                if child.pid not in self._known:
                    child.cpu_percent()
                    self._known[child.pid] = child


def find_listener(url: str) -> int | None:
    """The process on this machine that listens at the address of `url`, the first of several; None where that is unknown.

    Of another user's process nobody is told, and a name counts as this machine's where it means loopback.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        if port is None or not _is_loopback(parts.hostname or ""):
            return None
        found = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.pid is not None
            and connection.laddr[1:] == (port,)
        }
        return min(found, key=lambda pid: psutil.Process(pid).create_time(), default=None)
    except (OSError, ValueError, psutil.Error):
        return None


def _is_loopback(host: str) -> bool:
    addresses = {row[4][0] for row in socket.getaddrinfo(host, None)}
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)
