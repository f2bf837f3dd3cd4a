"""A wire between workers and a master that can be listened to, and that can break."""

from __future__ import annotations

import contextlib
from typing import Any

import gevent
from gevent import socket
from gevent.server import StreamServer

KEPT_BYTES = 1 << 20


class Relay:
    """Passes on what comes to `port` to `target`, and back."""

    def __init__(self, target: int) -> None:
        self.heard = bytearray()
        """All that went over the wire in either direction, up to KEPT_BYTES."""
        self.swallowed = 0
        """Bytes that came in and were not passed on."""
        self._target = target
        self._swallowing = False
        self._ends: list[Any] = []
        self._streams = StreamServer(("127.0.0.1", 0), self._serve)
        self._streams.start()
        self.port: int = self._streams.server_port

    def swallow(self) -> None:
        """From now on accept what comes, and pass nothing on, as when a cable is pulled behind a switch."""
        self._swallowing = True

    def mend(self) -> None:
        """Break all connections, and serve those that are made anew."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()
        self._swallowing = False

    def _serve(self, near: Any, _address: object) -> None:
        with near, socket.create_connection(("127.0.0.1", self._target)) as far:
            self._ends += (near, far)
            ways = [gevent.spawn(self._pass_on, near, far), gevent.spawn(self._pass_on, far, near)]
            gevent.joinall(ways, count=1)
            gevent.killall(ways)

    def _pass_on(self, source: Any, sink: Any) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._swallowing:
                    self.swallowed += len(data)
                    continue
                self.heard += data[: KEPT_BYTES - len(self.heard)]
                sink.sendall(data)
