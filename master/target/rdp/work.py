"""Tells PoOT for how long servers ran on a node: one record for a stretch of time, none of which overlap.

A stretch ends when a server stops, and every minute while one runs. Its units are server-seconds, whole ones: what is less
than one waits for the next stretch, if the server goes on. What a process had not told when it was killed, a minute at most, is not told later.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Protocol

from master.target.api import errors
from master.target.rdp.storage import ServerStorage

TELL_EVERY_S = 60.0

_log = logging.getLogger("master.target.rdp")


class WorkLog(Protocol):
    """What RDP servers need of PoOT."""

    async def add_server_work(self, node: str, server_s: int, started_at: float, ended_at: float) -> None:
        """Note that servers ran on a node for so long in that time. Raises ApiError if it doesn't take that."""


class ServerWork:
    """Follows the nodes that servers run on."""

    def __init__(self, storage: ServerStorage, log: WorkLog | None) -> None:
        self._storage = storage
        self._log = log
        self._told_at: dict[str, float] = {}
        """Until when the work of a node has been told, of those that servers run on."""

    def begin(self, node: str, now: float) -> None:
        """A server runs on the node from now on."""
        self._told_at.setdefault(node, now)

    async def tell(self, node: str, now: float, *, is_over: bool) -> None:
        """Tell what servers did on the node up to now; `is_over`: none of them runs any more."""
        since = self._told_at.get(node, now)
        server_s = int(await self._storage.running_s(node, since, now))
        if is_over:
            self._told_at.pop(node, None)
        if self._log is None or server_s < 1:
            return
        if not is_over:
            self._told_at[node] = now
        try:
            await self._log.add_server_work(node, server_s, since, now)
        except (
            errors.ApiError
        ) as error:  # the node told of that time itself, or too much waits: neither is a server's matter
            _log.info("work of %s is not taken: %s", node, error.message)

    async def tell_all(self, nodes: Collection[str], now: float) -> None:
        """Tell of the nodes on which servers have been running for a minute since the last time."""
        for node in nodes:
            if now - self._told_at.get(node, now) >= TELL_EVERY_S:
                await self.tell(node, now, is_over=False)
