"""Users of an SQLite database: `sqlite:` for a file of the process's own, `sqlite:///path` for one that is shared.

Each step of work is done in a thread of gevent's pool: SQLite waits for disk and locks without telling an event loop. Times are taken
in the thread, so that they are the database's alone.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from gevent.queue import Empty, Queue
from gevent.threadpool import ThreadPool

from worker.users.database import workload
from worker.users.database.base import DatabaseUser
from worker.users.measured import FailedRequestError, report

LOCK_TIMEOUT_S = 10.0
"""Longest wait for another process that writes."""
THREADS = 4
"""How many steps run at once: SQLite writes one at a time, and a node has four cores."""


class Timing(NamedTuple):
    """One statement that was executed, and how it failed, if it did."""

    name: str
    latency_s: float
    failure: Exception | None = None


class SqliteUser(DatabaseUser):
    """Looks rows up, queries and makes transactions in an SQLite file, in WAL mode."""

    def open_pool(self) -> SqlitePool:
        """The file with its table, made where they are not there."""
        return SqlitePool(self.url, self.connections, self.timeout_s)

    def failures(self) -> tuple[type[Exception], ...]:
        """What SQLite raises."""
        return (sqlite3.Error, OSError, workload.WrongRowsError, TimeoutError)

    def work(self) -> None:
        """One step, its statements counted each."""
        step, seed = workload.draw(self.random), self.random.getrandbits(64)
        pool: SqlitePool = self.pool
        connection = pool.take_idle()
        if connection is None:
            with self.request("connection"):
                connection = pool.wait_for_one()
        else:
            report(self, self.protocol, "connection", 0.0, outside_loop=True)
        timings = pool.run(connection, step, Random(seed))  # noqa: S311  # nothing is kept secret by it
        for timing in timings:
            report(self, self.protocol, timing.name, timing.latency_s, timing.failure, outside_loop=True)
        if any(timing.failure for timing in timings):
            raise FailedRequestError


class SqlitePool:
    """The connections of a process to one file."""

    def __init__(self, url: str, size: int, timeout_s: float) -> None:
        """Raises sqlite3.Error and OSError."""
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        path = unquote(urlsplit(url).path)
        if not path:
            self._folder = tempfile.TemporaryDirectory(prefix="piswarm-sqlite-")
            path = str(Path(self._folder.name, "sessions.db"))
        self.path = path
        self._size = size
        self._timeout_s = timeout_s
        self._users = 0
        self._idle: Queue[sqlite3.Connection] = Queue()
        self._open: list[sqlite3.Connection] = []
        self._threads = ThreadPool(THREADS)
        if (failure := self._threads.apply(self._create)) is not None:
            self._threads.kill()
            raise failure

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def add_user(self) -> None:
        """Open one more connection, up to the pool's size."""
        self._users += 1
        if len(self._open) < self._size:
            connection = self._connect()
            self._open.append(connection)
            self._idle.put(connection)

    def take_idle(self) -> sqlite3.Connection | None:
        """The connection that has been idle the longest, if there is one."""
        return None if self._idle.empty() else self._idle.get_nowait()

    def wait_for_one(self) -> sqlite3.Connection:
        """The next connection that becomes idle. Raises TimeoutError."""
        try:
            connection: sqlite3.Connection = self._idle.get(timeout=self._timeout_s)
        except Empty:
            raise TimeoutError("no connection of the pool has become free") from None
        return connection

    def run(self, connection: sqlite3.Connection, step: workload.Step, random: Random) -> list[Timing]:
        """Do a step over `connection`, which is given back when it is done, whatever becomes of who waits for it."""
        running = self._threads.spawn(_do, connection, step, random)
        running.rawlink(lambda _: self._idle.put(connection))
        timings: list[Timing] = running.get()
        return timings

    def close(self) -> None:
        """Close all connections; the file is removed, unless it was named."""
        self._threads.join()
        for connection in self._open:
            connection.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _create(self) -> Exception | None:
        """Make the table and its rows, where they are not there; what has kept it from that. In a thread, where a raise is an alarm."""
        try:
            with contextlib.closing(self._connect()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                for statement in workload.CREATE:
                    connection.execute(statement)
                connection.executemany(workload.FILL, workload.filling())
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            return error
        return None


class _Connection:
    """A workload.Connection that keeps the time of each statement."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.timings: list[Timing] = []

    def execute(
        self, name: str, sql: str, *values: Any, check: Callable[[workload.Rows], bool] | None = None
    ) -> workload.Rows:
        began_s = time.monotonic()
        failure: Exception | None = None
        rows: workload.Rows = ()
        try:
            rows = self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            failure = error
        else:
            if check is not None and not check(rows):
                failure = workload.WrongRowsError(name)
        self.timings.append(Timing(name, time.monotonic() - began_s, failure))
        if failure is not None:
            raise FailedRequestError(name)
        return rows

    def in_transaction(self, work: Callable[[], None]) -> None:
        began_s = time.monotonic()
        failure: FailedRequestError | None = None
        try:
            self.execute("begin", "BEGIN IMMEDIATE")
            work()
            self.execute("commit", "COMMIT")
        except FailedRequestError as error:
            failure = error
            if self._connection.in_transaction:
                self._connection.rollback()
        self.timings.append(Timing("transaction", time.monotonic() - began_s, failure))


def _do(connection: sqlite3.Connection, step: workload.Step, random: Random) -> list[Timing]:
    """One step in a thread. What fails is in the timings."""
    measured = _Connection(connection)
    with contextlib.suppress(FailedRequestError):
        step(measured, random)
    return measured.timings
