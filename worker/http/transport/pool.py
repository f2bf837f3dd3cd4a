"""Idle connections of a user, and how many requests it may have under way, per origin (RFC 9112 9.3, 9.4).

Theory of operation. A Pool has one Lane per origin. Who sends a request takes a place in the lane, then an idle connection or
a new one, and gives both back with `leave`:

    lane.free -= 1, or lane.wait() ─► lane.take() or lane.connect() ─► request ─► lane.leave(connection or None)

Invariants:

- Never more than `concurrency` requests are under way: each place taken is left exactly once, also when the request fails or
  its greenlet is killed, and goes to one that waits before it becomes free.
- A connection is in `idle`, or in one request's hands, or closed. In `idle` are only those that can carry another request:
  their last response was complete and the server keeps the connection (Reader.reusable), and nothing spoilt them.
- An idle connection may have been closed by the server at any moment (9.5). For a request that may be repeated that is found
  out by sending it (9.3.1, see Exchange); for any other `take(surely=True)` looks first.
- A connection is used for its origin alone; none that was verified one way serves a request that asks for another.
- The connection used last is used next, so that those of a burst grow old and are closed by the server.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from gevent.lock import Semaphore

from worker.http.protocol.url import Origin
from worker.http.transport.connect import ConnectSettings, connect
from worker.http.transport.connection import Connection

_MAX_LANES = 64  # a user that follows links anywhere keeps connections to so many origins


class Lane:
    """The connections to one origin, of which at most `concurrency` are in use at a time."""

    __slots__ = ("_turn", "_waiting", "free", "idle", "origin")

    def __init__(self, origin: Origin, concurrency: int) -> None:
        self.origin = origin
        self.idle: list[Connection] = []
        self.free = concurrency
        """Places for requests that are not taken. A taker lowers it, or calls `wait` where it is 0, and `leave` in the end."""
        self._waiting = 0
        self._turn: Semaphore | None = None

    def wait(self) -> None:
        """Wait for a place that another leaves; it is taken then."""
        if self._turn is None:
            self._turn = Semaphore(0)
        self._waiting += 1
        try:
            self._turn.acquire()
        finally:
            self._waiting -= 1

    def leave(self, connection: Connection | None) -> None:
        """Give the place back, and keep `connection` if it can carry another request."""
        if connection is not None and not connection.closed:
            if connection.reader.reusable and not connection.spoilt:
                self.idle.append(connection)
            else:
                connection.close()
        if self._waiting and self._turn is not None:
            self._turn.release()
        else:
            self.free += 1

    def take(self, *, surely: bool) -> Connection | None:
        """An idle connection, or None; `surely` an open one, at the price of a system call, for what can't be repeated."""
        while self.idle:
            connection = self.idle.pop()
            if connection.is_alive() if surely else not connection.closed:
                return connection
        return None

    def connect(self, settings: ConnectSettings) -> Connection:
        """A new connection. Raises as `worker.http.transport.connect.connect` does."""
        return connect(self.origin, settings)

    def close(self) -> None:
        """Close the idle connections."""
        while self.idle:
            self.idle.pop().close()

    def __del__(self) -> None:
        # The hub holds on to each connection that it watches; nobody else would ever end them.
        self.close()


class Pool:
    """Connections of one user, or of several that share it as their `client_pool`; `concurrency` requests per origin at a time."""

    def __init__(self, concurrency: int = 10) -> None:
        self.concurrency = concurrency
        self._lanes: dict[Origin, Lane] = {}

    def lane(self, origin: Origin) -> Lane:
        """The lane to `origin`."""
        lane = self._lanes.get(origin)
        if lane is None:
            if len(self._lanes) >= _MAX_LANES:
                del self._lanes[next(iter(self._lanes))]
            lane = self._lanes[origin] = Lane(origin, self.concurrency)
        return lane

    def beside(self) -> Pool:
        """A pool for TLS connections that are verified in another way; connections without TLS are shared with this one."""
        return _PoolBeside(self)

    def close(self) -> None:
        """Close all idle connections; the pool can be used further."""
        for lane in self._lanes.values():
            lane.close()


class _PoolBeside(Pool):
    def __init__(self, pool: Pool) -> None:
        super().__init__(pool.concurrency)
        self._pool = pool

    def lane(self, origin: Origin) -> Lane:
        return self._pool.lane(origin) if origin.scheme == "http" else super().lane(origin)


_stand_ins: WeakKeyDictionary[Any, Pool] = WeakKeyDictionary()


def shared(client_pool: Any) -> Pool:
    """The pool of all users with this `client_pool`: itself if it is a Pool, else one with the concurrency of Locust's."""
    if isinstance(client_pool, Pool):
        return client_pool
    pool = _stand_ins.get(client_pool)
    if pool is None:
        pool = _stand_ins[client_pool] = Pool(getattr(client_pool, "client_args", {}).get("concurrency", 1))
    return pool
