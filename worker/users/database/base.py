"""What all users of databases share: their pauses, their randomness, and one pool for all users of a process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from gevent.event import AsyncResult
from locust import User, task
from locust.exception import StopTest

from worker.users.lucid.accounts import AccountBook, AccountPool, password, user_random
from worker.users.measured import FailedRequestError, measured


class Pool(Protocol):
    """A pool of connections, shared by the users of a process."""

    def add_user(self) -> None:
        """One more user shares the pool, which may grow for it."""

    def close(self) -> None:
        """Close all connections."""


_book = AccountBook()
_NUMBERS = AccountPool("database", 1_000_000, 7)
_pools: dict[tuple[str, str], AsyncResult] = {}


class DatabaseUser(User):
    """A user of the database at `host`, a URL. One task is one step of work over a connection of the pool.

    It connects at start; if that fails, it tries again instead of its next task.
    """

    abstract = True
    drivers: ClassVar[tuple[str, ...]] = ()
    """Modules that must be installed where the user runs."""
    protocol: ClassVar[str] = "SQL"
    """What its requests are counted as, in place of HTTP's methods."""
    wait_s: ClassVar[tuple[float, float]] = (0.1, 0.3)
    connections: ClassVar[int] = 64
    """The most connections of a process; it opens no more than it has users."""
    timeout_s: ClassVar[float] = 10.0
    """Longest wait for a connection, a new one or one of the pool."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        if self.host is None:
            raise StopTest("No host: set it in the user class, in the scenario, or with --target.")
        self.url: str = self.host
        self.random = user_random(environment, type(self).__name__, _book.next_number(environment, _NUMBERS))
        self.pool: Any = None

    def on_start(self) -> None:
        """Connect."""
        with contextlib.suppress(FailedRequestError):
            self.connect()

    def wait_time(self) -> float:
        """Seconds to pause now."""
        return self.random.uniform(*self.wait_s)

    @task
    def act(self) -> None:
        """One step of work, or another try to connect. A failure has been counted, and ends no user."""
        with contextlib.suppress(FailedRequestError):
            if self.pool is None:
                self.connect()
            else:
                self.work()

    def connect(self) -> None:
        """Come to share the pool of this process, counted as `connect`. Raises FailedRequestError."""
        with self.request("connect"):
            self.pool = _shared((type(self).__name__, self.url), self.open_pool)
        self.pool.add_user()

    def request(self, name: str) -> Any:
        """A with-block that is counted as one request of this user."""
        return measured(self, self.protocol, name, self.failures())

    def open_pool(self) -> Pool:
        """Open the pool, and make sure that the data is there. Raises one of `failures`."""
        raise NotImplementedError

    def failures(self) -> tuple[type[Exception], ...]:
        """What the driver raises when the database fails."""
        raise NotImplementedError

    def work(self) -> None:
        """What the user does in one task. Raises FailedRequestError."""
        raise NotImplementedError

    @property
    def password(self) -> str:
        """The password of the database's account; empty for none."""
        return password(self.environment)


def _shared(key: tuple[str, str], open_pool: Callable[[], Pool]) -> Any:
    """The pool for `key`. The first to ask opens it, the others wait for it, and share its failure."""
    opened = _pools.get(key)
    if opened is not None:
        return opened.get()
    opened = _pools[key] = AsyncResult()
    try:
        opened.set(open_pool())
    except BaseException as error:
        del _pools[key]  # the next to ask tries again
        opened.set_exception(error)
        raise
    return opened.get()


def close_pools() -> None:
    """Close all pools, for whoever ends users and goes on without them."""
    while _pools:
        _pools.popitem()[1].get().close()
