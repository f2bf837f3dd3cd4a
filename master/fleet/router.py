"""A ZeroMQ ROUTER on gevent's loop that costs little for each message."""

from __future__ import annotations

from typing import Any

import gevent
import zmq
from gevent.event import Event

FRAMES = 3
"""Of a message of ours: its connection's name, which the socket puts there, its sender's identity, and what it says."""
MAX_IN_A_ROW = 100
"""After so many messages others have their turn."""
PAUSE_S = 0.005
"""While messages keep coming they are fetched together, so often: waking up for each costs more than reading it."""

_READABLE = int(zmq.POLLIN)
_EVENTS = int(zmq.EVENTS)
_NOW = int(zmq.NOBLOCK)
_NOW_AND_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)


class Router:
    """Receives for one greenlet, sends for any.

    pyzmq's green sockets look for news before and after each message, and that is most of what one costs. This one takes
    what is there, and looks for more only when nothing is left.
    """

    def __init__(self, context: zmq.Context[Any]) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self._in_a_row = 0
        self._waiting = False
        self._news = Event()
        self._watcher = gevent.get_hub().loop.io(self.socket.getsockopt(zmq.FD), 1)

    def receive(self) -> tuple[bytes, bytes, zmq.Frame] | None:
        """The FRAMES of the next message; None for one that has another number of them.

        Raises zmq.ZMQError once the socket is closed.
        """
        while True:
            if self._in_a_row >= MAX_IN_A_ROW:
                self._in_a_row = 0
                gevent.sleep(0)
            self._in_a_row += 1
            try:
                route: bytes = self.socket.recv(_NOW)
            except zmq.Again:
                self._wait()
                continue
            # All frames of a message come together. That there is a second one is the socket's own doing: what a peer sends
            # comes after the name of its connection.
            frame: zmq.Frame = self.socket.recv(_NOW, copy=False)
            if not frame.more:
                return None
            payload: zmq.Frame = self.socket.recv(_NOW, copy=False)
            if not payload.more:
                return route, frame.bytes, payload
            self._skip_rest()
            return None

    def _skip_rest(self) -> None:
        frames = 0
        while self.socket.getsockopt(zmq.RCVMORE):
            self.socket.recv(_NOW)
            frames += 1
            if frames % MAX_IN_A_ROW == 0:
                gevent.sleep(0)

    def _wait(self) -> None:
        came, self._in_a_row = self._in_a_row > 1, 0
        if came:
            gevent.sleep(PAUSE_S)
            return
        self._news.clear()
        # The descriptor tells of changes only. What has come since the last look is seen here, or by whoever sends.
        if self.socket.get(_EVENTS) & _READABLE:
            return
        self._watcher.start(self._news.set)
        self._waiting = True
        try:
            self._news.wait()
        finally:
            self._waiting = False
            self._watcher.stop()

    def send(self, route: bytes, payload: bytes) -> None:
        """Send to the connection of that name; dropped when there is none, or it has not read for long."""
        self.socket.send(route, _NOW_AND_MORE)
        self.socket.send(payload, _NOW)
        # Sending may have taken the news of a message off the descriptor.
        if self._waiting and self.socket.get(_EVENTS) & _READABLE:
            self._news.set()

    def close(self, linger: int | None = None) -> None:
        """Close the socket; who waits for a message learns it."""
        self._watcher.stop()
        self.socket.close(linger=linger)
        self._news.set()
