"""Keeps idle connections and limits how many requests are under way, per origin."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from gevent.lock import Semaphore

from worker.http.protocol.url import Origin
from worker.http.transport.connect import ConnectSettings, connect
from worker.http.transport.connection import Connection

_MAX_LANES = 64  # a user that follows links anywhere keeps connections to so many servers


class Lane:
    """The connections to one origin: at most `concurrency` in use at a time, the one used last is used next."""

    __slots__ = ("_turn", "_waiting", "free", "idle", "origin")

    def __init__(self, origin: Origin, concurrency: int) -> None:
        self.origin = origin
        self.idle: list[Connection] = []
        self.free = concurrency
        """How many more may be in use. Who takes one lowers it, or else waits; and calls `leave` in the end."""
        self._waiting = 0
        self._turn: Semaphore | None = None

    def wait(self) -> None:
        """Wait for what another gives back."""
        if self._turn is None:
            self._turn = Semaphore(0)
        self._waiting += 1
        try:
            self._turn.acquire()
        finally:
            self._waiting -= 1

    def leave(self, connection: Connection | None) -> None:
        """Give the place back, and the connection if it can carry another request."""
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
        """An open connection, if there is one; `surely` open, at the price of a system call, for what can't be repeated."""
        while self.idle:
            connection = self.idle.pop()
            if connection.is_alive() if surely else not connection.closed:
                return connection
        return None

    def connect(self, settings: ConnectSettings) -> Connection:
        """A new connection. Raises as `worker.http.transport.connect.connect` does."""
        return connect(self.origin, settings)

    def close(self) -> None:
        """End the idle connections."""
        while self.idle:
            self.idle.pop().close()

    def __del__(self) -> None:
        # The hub holds on to each connection that it watches; nobody else would ever end them.
        self.close()


class Pool:
    """The lanes of one user, or of several that share it."""

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
        """Another pool for encrypted connections of another kind; those that are not encrypted are the same."""
        return _PoolBeside(self)

    def close(self) -> None:
        """End all idle connections; the pool can be used on."""
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
    """The pool of all users that have this `client_pool`: a Pool, or what Locust takes there, which lends its concurrency."""
    if isinstance(client_pool, Pool):
        return client_pool
    pool = _stand_ins.get(client_pool)
    if pool is None:
        pool = _stand_ins[client_pool] = Pool(getattr(client_pool, "client_args", {}).get("concurrency", 1))
    return pool
