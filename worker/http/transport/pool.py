"""Idle connections of a user, and how many requests it may have under way, per origin (RFC 9112 9.3, 9.4).

Theory of operation. A Pool has one OriginPool per origin. For each request a place in it is taken, then an idle connection or
a new one, and `release` gives both back:

    free -= 1, or wait() ─► acquire_idle() or connect() ─► request ─► release(connection or None)

Invariants:

- Never more than `concurrency` requests are under way: each place taken is left exactly once, also when the request fails or
  its greenlet is killed, and goes to one that waits before it becomes free.
- A connection is in `idle`, or in one request's hands, or closed. In `idle` are only those that can carry another request:
  their last response was complete and the server keeps the connection (Reader.reusable), and they are not `unusable`.
- An idle connection may have been closed by the server at any moment (9.5). For a request that may be repeated that is found
  out by sending it (9.3.1, see Exchange); for any other `acquire_idle(check=True)` looks first.
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

_MAX_ORIGIN_POOLS = 64  # a user that follows links anywhere keeps connections to so many origins


class OriginPool:
    """The connections to one origin, of which at most `concurrency` are in use at a time."""

    __slots__ = ("_places", "_waiting", "free", "idle", "origin")

    def __init__(self, origin: Origin, concurrency: int) -> None:
        self.origin = origin
        self.idle: list[Connection] = []
        self.free = concurrency
        """Places for requests that are not taken. A taker lowers it, or calls `wait` where it is 0, and `release` in the end."""
        self._waiting = 0
        self._places: Semaphore | None = None

    def wait(self) -> None:
        """Wait for a place that another leaves; it is taken then."""
        if self._places is None:
            self._places = Semaphore(0)
        self._waiting += 1
        try:
            self._places.acquire()
        finally:
            self._waiting -= 1

    def release(self, connection: Connection | None) -> None:
        """Give the place back, and keep `connection` if it can carry another request."""
        if connection is not None and not connection.closed:
            if connection.reader.reusable and not connection.unusable:
                self.idle.append(connection)
            else:
                connection.close()
        if self._waiting and self._places is not None:
            self._places.release()
        else:
            self.free += 1

    def acquire_idle(self, *, check: bool) -> Connection | None:
        """An idle connection, or None; with `check` one that is open for certain, at the price of a system call."""
        while self.idle:
            connection = self.idle.pop()
            if connection.is_alive() if check else not connection.closed:
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
        self._origin_pools: dict[Origin, OriginPool] = {}

    def for_origin(self, origin: Origin) -> OriginPool:
        """The connections to `origin`."""
        origin_pool = self._origin_pools.get(origin)
        if origin_pool is None:
            if len(self._origin_pools) >= _MAX_ORIGIN_POOLS:
                del self._origin_pools[next(iter(self._origin_pools))]
            origin_pool = self._origin_pools[origin] = OriginPool(origin, self.concurrency)
        return origin_pool

    def for_other_tls(self) -> Pool:
        """A pool for TLS connections that are verified in another way; connections without TLS are shared with this one."""
        return _OtherTlsPool(self)

    def close(self) -> None:
        """Close all idle connections; the pool can be used further."""
        for origin_pool in self._origin_pools.values():
            origin_pool.close()


class _OtherTlsPool(Pool):
    def __init__(self, pool: Pool) -> None:
        super().__init__(pool.concurrency)
        self._pool = pool

    def for_origin(self, origin: Origin) -> OriginPool:
        return self._pool.for_origin(origin) if origin.scheme == "http" else super().for_origin(origin)


_shared_pools: WeakKeyDictionary[Any, Pool] = WeakKeyDictionary()


def shared(client_pool: Any) -> Pool:
    """The pool of all users with this `client_pool`: itself if it is a Pool, else one with the concurrency of Locust's."""
    if isinstance(client_pool, Pool):
        return client_pool
    pool = _shared_pools.get(client_pool)
    if pool is None:
        pool = _shared_pools[client_pool] = Pool(getattr(client_pool, "client_args", {}).get("concurrency", 1))
    return pool
