"""The audit log: who did what, when, and what came of it. Bounded: the oldest entries go."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from master.target.database.database import Database

MAX_ENTRIES = 100_000
_PRUNE_EVERY = 256  # entries
_MAX_PATH_CHARACTERS = 200

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    serial SERIAL_KEY, at REAL NOT NULL, account TEXT NOT NULL, endpoint TEXT NOT NULL, path TEXT NOT NULL,
    status INTEGER NOT NULL, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS audit_by_account ON audit (account, serial);
"""
_ADD = "INSERT INTO audit (at, account, endpoint, path, status, detail) VALUES (?, ?, ?, ?, ?, ?) RETURNING serial"
_PRUNE = "DELETE FROM audit WHERE serial <= ?"
_PAGE = "SELECT * FROM audit WHERE serial < ? ORDER BY serial DESC LIMIT ?"
_PAGE_OF_ACCOUNT = "SELECT * FROM audit WHERE account = ? AND serial < ? ORDER BY serial DESC LIMIT ?"


class AuditEntry(Struct):
    """One entry, in the order of the table's columns. `at` is in Unix seconds, `status` that of the answer."""

    serial: int
    at: float
    account: str
    endpoint: str
    path: str
    status: int
    detail: str


class AuditLog:
    """Keeps what is to be accounted for: it is written before the answer is sent."""

    def __init__(
        self, database: Database, *, clock: Callable[[], float] = time.time, max_entries: int = MAX_ENTRIES
    ) -> None:
        self._database = database
        self._clock = clock
        self._max_entries = max_entries

    async def create(self) -> None:
        """Create the table where it is missing."""
        await self._database.create(_SCHEMA)

    async def note(self, account: str, endpoint: str, path: str, status: int, detail: str = "") -> None:
        """Add an entry; `endpoint` has method and template, such as `POST /sessions/[id]/close`."""
        row = await self._database.fetch_one(
            _ADD, self._clock(), account, endpoint, path[:_MAX_PATH_CHARACTERS], status, detail
        )
        assert row is not None
        if row[0] % _PRUNE_EVERY == 0:
            await self._database.execute(_PRUNE, row[0] - self._max_entries)

    async def page(self, account: str | None, before: int | None, limit: int) -> list[AuditEntry]:
        """Up to `limit` entries with serial numbers below `before`, of `account` or of all, newest first."""
        serial = 2**63 - 1 if before is None else before
        if account is None:
            rows = await self._database.fetch_all(_PAGE, serial, limit)
        else:
            rows = await self._database.fetch_all(_PAGE_OF_ACCOUNT, account, serial, limit)
        return [AuditEntry(*row) for row in rows]
