"""Connections whose answers are there by a deadline, however slowly they come.

The timeout of a socket is that of one read: a server that sends a byte now and then, or interim answers (100 Continue) without end, keeps
within it for ever. Here each read has what is left until the deadline.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection


class _TimedReader(io.RawIOBase):
    """Reads from a socket, each time for no longer than is left."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, left_s: Callable[[], float]) -> None:
        self._raw, self._connection, self._left_s = raw, connection, left_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._left_s()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def timed(left_s: Callable[[], float], *, tls: bool) -> type[HTTPConnection]:
    """The class of connections whose answers end, with TimeoutError, when `left_s` says that nothing is left."""

    class TimedResponse(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, left_s))

    base: Any = HTTPSConnection if tls else HTTPConnection
    # urllib3 says the class's name where it can't connect.
    return type(base.__name__, (base,), {"response_class": TimedResponse})
