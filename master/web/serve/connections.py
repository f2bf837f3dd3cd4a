"""Connections of the page: those that say or take nothing make room for others."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 300
ROOM_FROM = 250
"""With so many the oldest one that is waited for is closed for each new one."""
LOOK_S = 10.0
"""Who has not sent a request, or not read a part of its answer, from one look to the next but one is sent away."""
_numbers = count()


class Connection(H11Protocol):
    """One connection. uvicorn itself waits for a request, its body, and a reader of the answer without end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look at it."""
        super().connection_made(transport)
        self.number = next(_numbers)
        self._seen: tuple[Any, ...] = ()
        self._look_later = self.loop.call_later(LOOK_S, self._look)
        there = [each for each in self.connections if isinstance(each, Connection) and not each.transport.is_closing()]
        if len(there) > ROOM_FROM:
            waiting = [each for each in there if each.is_waited_for]
            if waiting:
                min(waiting, key=lambda each: each.number).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self._look_later.cancel()
        super().connection_lost(exc)

    @property
    def is_waited_for(self) -> bool:
        """Whether its next request, or the rest of one, is still to come."""
        return self.conn.their_state in {h11.IDLE, h11.SEND_BODY}

    def _look(self) -> None:
        unread = self.transport.get_write_buffer_size()
        seen = (self.is_waited_for, unread, self.cycle)
        if seen == self._seen and (self.is_waited_for or unread):
            self.transport.abort()
            return
        self._seen = seen
        self._look_later = self.loop.call_later(LOOK_S, self._look)
