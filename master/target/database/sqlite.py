"""The default database: one SQLite file.

One connection, used in the loop's thread alone: every statement takes tens of microseconds, less than handing it to another
thread would, and a single writer never finds the database locked. sqlite3 keeps statements prepared by their text, so each
text is a constant.
"""

from __future__ import annotations

import asyncio
import fcntl
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from master.target.database.database import DatabaseError, Row

_APPLICATION_ID = 0x70697377  # "pisw": marks a database as this target's own
_SCHEMA_VERSION = 2
_PREPARED_STATEMENTS = 256
_SERIAL_KEY = re.compile(r"\bSERIAL_KEY\b")


class Durability(StrEnum):
    """What survives of what was acknowledged.

    PROCESS: the end of the process, however sudden. Nothing is ever synced to the disk: with NORMAL the syncs of WAL's
    checkpoints were measured to stall the loop for 8 to 117 ms, which a generator would see as latency.
    POWER: a power cut, too; each commit waits for the disk.
    """

    PROCESS = "process"
    POWER = "power"


_SYNCHRONOUS = {Durability.PROCESS: "OFF", Durability.POWER: "FULL"}


class SqliteDatabase:
    """A Database in a file of its own."""

    def __init__(self, path: Path, durability: Durability = Durability.PROCESS) -> None:
        """Open the file, or begin it. Raises DatabaseError if it is anything else or can't be written."""
        try:
            _check(path)
            # It holds the signing key and password hashes. SQLite's further files take after this one.
            path.touch(mode=0o600)
            self._use = _begin_use(path)
        except OSError as error:
            raise DatabaseError(f"{path}: {error}; name a new file") from None
        try:
            self._db = sqlite3.connect(path, isolation_level=None, cached_statements=_PREPARED_STATEMENTS)
            self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        except sqlite3.Error as error:
            self._use.close()
            raise DatabaseError(f"{path}: {error}; name a new file") from None
        self._writing = asyncio.Lock()

    async def fetch_one(self, sql: str, *values: Any) -> Row | None:
        """As Database. A statement that writes waits for the transaction of another."""
        if self._writing.locked():
            async with self._writing:
                return _first(self._db, sql, values)
        return _first(self._db, sql, values)

    async def fetch_all(self, sql: str, *values: Any) -> list[Row]:
        """As Database."""
        if self._writing.locked():
            async with self._writing:
                return _rows(self._db, sql, values)
        return _rows(self._db, sql, values)

    async def execute(self, sql: str, *values: Any) -> int:
        """As Database."""
        if self._writing.locked():
            async with self._writing:
                return _changed(self._db, sql, values)
        return _changed(self._db, sql, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_Transaction]:
        """As Database."""
        async with self._writing:
            _changed(self._db, "BEGIN IMMEDIATE", ())
            try:
                yield _Transaction(self._db)
                _changed(self._db, "COMMIT", ())
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it by itself
                    self._db.execute("ROLLBACK")
                raise

    async def create(self, schema: str) -> None:
        """As Database."""
        self._db.executescript(_SERIAL_KEY.sub("INTEGER PRIMARY KEY", schema))

    async def close(self) -> None:
        """As Database."""
        self._db.close()
        self._use.close()  # last: closing the file ends SQLite's own locks on it, too


class _Transaction:
    """The database within a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    async def fetch_one(self, sql: str, *values: Any) -> Row | None:
        return _first(self._db, sql, values)

    async def fetch_all(self, sql: str, *values: Any) -> list[Row]:
        return _rows(self._db, sql, values)

    async def execute(self, sql: str, *values: Any) -> int:
        return _changed(self._db, sql, values)


def _rows(db: sqlite3.Connection, sql: str, values: tuple[Any, ...]) -> list[Row]:
    try:
        return db.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        raise _unusable(error) from error


def _first(db: sqlite3.Connection, sql: str, values: tuple[Any, ...]) -> Row | None:
    # All rows, though one is asked for: a cursor that is not read to its end keeps a writing statement open.
    rows = _rows(db, sql, values)
    return rows[0] if rows else None


def _changed(db: sqlite3.Connection, sql: str, values: tuple[Any, ...]) -> int:
    try:
        return db.execute(sql, values).rowcount
    except sqlite3.OperationalError as error:
        raise _unusable(error) from error


def _unusable(error: sqlite3.OperationalError) -> Exception:
    """A DatabaseError where it is the disk's fault or another process's, and not the statement's."""
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_ERROR:
        return error
    return DatabaseError(f"SQLite: {error}")


def _begin_use(path: Path) -> BinaryIO:
    """The file, with a lock that keeps other targets away as long as it is open. Raises DatabaseError if one is there.

    Two would each go on with the chain in their own way. Whoever only reads is not kept away.
    """
    file = path.open("rb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DatabaseError(f"{path}: another target uses it; end that one, or name another file") from None
    return file


def _check(path: Path) -> None:
    """Raises DatabaseError unless the file is not there, empty, or a target's of this version."""
    if not path.exists() or not path.stat().st_size:
        return
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            (found,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        found, version = None, 0
    if found != _APPLICATION_ID:
        raise DatabaseError(f"{path} exists and is not a database of this target; name a new file")
    if version != _SCHEMA_VERSION:
        raise DatabaseError(f"{path} is the database of another version of the target; name a new file")
