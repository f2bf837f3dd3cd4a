"""uvicorn's protocol of a connection, with what it leaves open.

How long a request may be on its way, how long its head may be, and answers to what is no HTTP that look like all others.
"""

from __future__ import annotations

import time
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from master.target.api import errors
from master.target.api.bodies import error_response

MAX_HEAD_BYTES = 64 * 1024
"""Of a head that comes in several pieces; one that comes in one is at most as long as what is read at a time, 256 KiB."""
REQUEST_WITHIN_S = 60.0
"""From a request's first byte to its last, and from a connection to its first request."""
MAX_PIPELINED = 32
"""Requests that may wait for the answers to those before them: thousands fit into what is read at a time."""


class Connection(HttpToolsProtocol):
    """Whoever keeps a server waiting, or sends a head without end, is told so and let go."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._awaited_since_s: float | None = time.monotonic()
        self._in_head = False
        self._head_bytes = 0
        self._answering: RequestResponseCycle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio.Protocol; uvicorn tells it to the last of several requests alone."""
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As asyncio.Protocol."""
        was_in_head = self._in_head
        super().data_received(data)
        # Else only a part of the piece is the head's.
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(errors.head_too_large(MAX_HEAD_BYTES))

    def on_message_begin(self) -> None:
        """As httptools."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise httptools.HttpParserError(f"more than {MAX_PIPELINED} requests are waiting")
        self._awaited_since_s, self._in_head, self._head_bytes = time.monotonic(), True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """As httptools."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """As httptools."""
        self._awaited_since_s = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Where uvicorn answers in plain text."""
        self._refuse(errors.bad_request(msg))

    def end_if_late(self, now_s: float) -> None:
        """End a connection whose request takes too long to come; `now_s` on the monotonic clock."""
        if self._awaited_since_s is not None and now_s - self._awaited_since_s > REQUEST_WITHIN_S:
            self._refuse(errors.too_slow(REQUEST_WITHIN_S))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _refuse(self, error: errors.ApiError) -> None:
        if self.transport.is_closing():
            return
        # What is half answered can't be answered otherwise.
        answering = self._answering
        if answering is None or answering.response_complete or not answering.response_started:
            response = error_response(error)
            headers = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
            lines = b"".join(b"%s: %s\r\n" % header for header in headers)
            self.transport.write(STATUS_LINE[error.status] + lines + b"\r\n" + bytes(response.body))
        self.transport.close()
