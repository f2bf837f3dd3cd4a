"""What sign-in remembers, in the database."""

from __future__ import annotations

from master.target.auth.lockout import Failures
from master.target.auth.revocations import MAX_REVOCATIONS
from master.target.auth.state.security_state import Rotation
from master.target.database.database import Database

MAX_FAMILIES = 100_000
"""Beyond it the oldest go, and who has their refresh tokens has to sign in again."""
MAX_NAMES = 20_000
"""Names with failed sign-ins; beyond it those go that would be forgotten first.

Pushing out one name takes as many failures under other names, longer than its lock lasts: nothing is gained by it.
"""
_PRUNE_EVERY = 256  # insertions

_SCHEMA = """
CREATE TABLE IF NOT EXISTS refresh_families (
    serial SERIAL_KEY, family TEXT UNIQUE NOT NULL, token TEXT NOT NULL, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS revocations (serial SERIAL_KEY, family TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS failed_sign_ins (
    name TEXT PRIMARY KEY, count INTEGER NOT NULL, first_at REAL NOT NULL, locked_until REAL NOT NULL,
    expires_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS failed_sign_ins_by_expiry ON failed_sign_ins (expires_at);
"""
_BEGIN = "INSERT INTO refresh_families (family, token, expires_at) VALUES (?, ?, ?) RETURNING serial"
_PRUNE_FAMILIES = "DELETE FROM refresh_families WHERE serial <= ?"
_ROTATE = "UPDATE refresh_families SET token = ?, expires_at = ? WHERE family = ? AND token = ?"
_FAMILY = "SELECT 1 FROM refresh_families WHERE family = ?"
_END = "DELETE FROM refresh_families WHERE family = ?"
_REVOKE = "INSERT INTO revocations (family, until) VALUES (?, ?) RETURNING serial"
_PRUNE_REVOCATIONS = "DELETE FROM revocations WHERE serial <= ?"
_REVOKED = "SELECT family, until FROM revocations WHERE until > ? ORDER BY serial"
_FAILURES = "SELECT count, first_at, locked_until FROM failed_sign_ins WHERE name = ?"
_PUT_FAILURES = (
    "INSERT INTO failed_sign_ins (name, count, first_at, locked_until, expires_at) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET count = excluded.count, first_at = excluded.first_at,"
    " locked_until = excluded.locked_until, expires_at = excluded.expires_at"
)
_CLEAR_FAILURES = "DELETE FROM failed_sign_ins WHERE name = ?"
_FORGET_FAILURES = "DELETE FROM failed_sign_ins WHERE expires_at <= ?"
_COUNT_FAILURES = "SELECT COUNT(*) FROM failed_sign_ins"
_PRUNE_FAILURES = (
    "DELETE FROM failed_sign_ins WHERE name IN (SELECT name FROM failed_sign_ins ORDER BY expires_at LIMIT ?)"
)


class DatabaseState:
    """A SecurityState in the database of everything else."""

    def __init__(self, database: Database, *, max_families: int = MAX_FAMILIES, max_names: int = MAX_NAMES) -> None:
        self._database = database
        self._max_families = max_families
        self._max_names = max_names
        self._failures_put = 0

    async def start(self) -> None:
        """As SecurityState: create the tables where they are missing."""
        await self._database.create(_SCHEMA)

    async def begin_family(self, family: str, token: str, expires_at: float) -> None:
        """As SecurityState."""
        row = await self._database.fetch_one(_BEGIN, family, token, expires_at)
        assert row is not None
        if row[0] % _PRUNE_EVERY == 0:
            await self._database.execute(_PRUNE_FAMILIES, row[0] - self._max_families)

    async def rotate(self, family: str, used: str, following: str, expires_at: float) -> Rotation:
        """As SecurityState."""
        if await self._database.execute(_ROTATE, following, expires_at, family, used):
            return Rotation.ROTATED
        known = await self._database.fetch_one(_FAMILY, family)
        return Rotation.UNKNOWN if known is None else Rotation.REUSED

    async def revoke(self, family: str, until: float) -> None:
        """As SecurityState."""
        async with self._database.transaction() as database:
            await database.execute(_END, family)
            row = await database.fetch_one(_REVOKE, family, until)
            assert row is not None
            if row[0] % _PRUNE_EVERY == 0:
                await database.execute(_PRUNE_REVOCATIONS, row[0] - MAX_REVOCATIONS)

    async def revoked(self, now: float) -> list[tuple[str, float]]:
        """As SecurityState."""
        return [(family, until) for family, until in await self._database.fetch_all(_REVOKED, now)]

    async def failures(self, name: str) -> Failures | None:
        """As SecurityState."""
        row = await self._database.fetch_one(_FAILURES, name)
        return None if row is None else Failures(*row)

    async def put_failures(self, name: str, failures: Failures, expires_at: float, now: float) -> None:
        """As SecurityState."""
        row = (name, failures.count, failures.first_at, failures.locked_until, expires_at)
        await self._database.execute(_PUT_FAILURES, *row)
        self._failures_put += 1
        if self._failures_put % _PRUNE_EVERY == 0:
            await self._prune_failures(now)

    async def clear_failures(self, name: str) -> None:
        """As SecurityState."""
        await self._database.execute(_CLEAR_FAILURES, name)

    async def _prune_failures(self, now: float) -> None:
        await self._database.execute(_FORGET_FAILURES, now)
        row = await self._database.fetch_one(_COUNT_FAILURES)
        assert row is not None
        if row[0] > self._max_names:
            await self._database.execute(_PRUNE_FAILURES, row[0] - self._max_names)
