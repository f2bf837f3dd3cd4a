"""Users of PostgreSQL: `postgresql://user@host:port/database`; the password is the target's, and in no URL.

psycopg waits cooperatively by itself where gevent has replaced `select` (psycopg.waiting), which Locust's import does; its pool works
in threads, which are greenlets then.
"""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from worker.users.database import workload
from worker.users.database.base import DatabaseUser
from worker.users.database.drivers import DRIVERS, import_driver
from worker.users.measured import FailedRequestError

_CREATION_LOCK = 0x70697377  # any number, the same for all: that of who makes the table


class PostgresUser(DatabaseUser):
    """Looks rows up, queries and makes transactions over a pool of connections."""

    drivers = DRIVERS["PostgresUser"]

    def open_pool(self) -> PostgresPool:
        """The pool, and the table, made where it is not there."""
        return PostgresPool(self.url, self.password, self.connections, self.timeout_s)

    def failures(self) -> tuple[type[Exception], ...]:
        """What psycopg and its pool raise."""
        return (import_driver("psycopg").Error, workload.WrongRowsError)

    def work(self) -> None:
        """One step over a connection of the pool; waiting for one is counted as `connection`."""
        pool: PostgresPool = self.pool
        step = workload.draw(self.random)
        with contextlib.ExitStack() as held:
            with self.request("connection"):
                connection = held.enter_context(pool.connection())
            step(_Connection(self, connection), self.random)


class PostgresPool:
    """psycopg's pool, that grows with the users up to `size`."""

    def __init__(self, url: str, password: str, size: int, timeout_s: float) -> None:
        """Raises psycopg.Error."""
        psycopg, psycopg_pool = import_driver("psycopg"), import_driver("psycopg_pool")
        options: dict[str, Any] = {"autocommit": True, "connect_timeout": int(timeout_s)}
        if password:
            options["password"] = password
        with psycopg.connect(url, **options) as connection:
            _create(connection)
        self._size = size
        self._users = 0
        self._pool = psycopg_pool.ConnectionPool(
            url, kwargs=options, min_size=1, max_size=1, timeout=timeout_s, open=True, name="piswarm"
        )
        # Its threads would be waited for at the end of the process.
        atexit.register(self.close)

    def connection(self) -> Any:
        """A with-block that has a connection."""
        return self._pool.connection()

    def add_user(self) -> None:
        """Grow by one connection, up to the pool's size."""
        self._users += 1
        if self._users <= self._size:
            self._pool.resize(self._users, self._users)

    def close(self) -> None:
        """Close all connections."""
        atexit.unregister(self.close)
        self._pool.close(timeout=2)


class _Connection:
    """A workload.Connection, whose statements are requests of `user`."""

    def __init__(self, user: PostgresUser, connection: Any) -> None:
        self._user = user
        self._connection = connection

    def execute(
        self, name: str, sql: str, *values: Any, check: Callable[[workload.Rows], bool] | None = None
    ) -> workload.Rows:
        with self._user.request(name):
            cursor = self._connection.execute(_placed(sql), values)
            rows: workload.Rows = () if cursor.description is None else cursor.fetchall()
            if check is not None and not check(rows):
                raise workload.WrongRowsError(name)
        return rows

    def in_transaction(self, work: Callable[[], None]) -> None:
        with self._user.request("transaction"), self._open_transaction():
            work()
            self.execute("commit", "COMMIT")

    @contextlib.contextmanager
    def _open_transaction(self) -> Iterator[None]:
        self.execute("begin", "BEGIN")
        try:
            yield
        except FailedRequestError:
            # A connection that is lost can't be rolled back; the pool replaces it.
            with contextlib.suppress(import_driver("psycopg").Error):
                self._connection.rollback()
            raise


def _create(connection: Any) -> None:
    """Make the table and its rows, where they are not there; one process at a time, the others wait."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATION_LOCK,))
        # Looked up first: even where there is nothing to do, CREATE INDEX waits for those who write, and keeps others waiting.
        if cursor.execute("SELECT to_regclass('piswarm_sessions')").fetchone()[0] is None:
            for statement in workload.CREATE:
                cursor.execute(statement)
            cursor.executemany(_placed(workload.FILL), workload.filling())


@cache
def _placed(sql: str) -> str:
    """The statement with psycopg's placeholders."""
    return sql.replace("?", "%s")
