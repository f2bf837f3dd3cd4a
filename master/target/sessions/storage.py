"""Sessions and their chunks in the database, bounded so that a soak of days does not fill a disk. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from master.target.database.database import Database
from master.target.database.retention import Retention
from master.target.sessions.messages import ChunkTotals, NewSession, SessionInfo, State

# The order of columns is that of the fields of `SessionInfo`, after the serial number. `session_totals` holds the sums of
# what is no longer kept.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    serial SERIAL_KEY, id TEXT UNIQUE NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, codec TEXT NOT NULL,
    chunks INTEGER NOT NULL DEFAULT 0, raw_bytes INTEGER NOT NULL DEFAULT 0, stored_bytes INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sessions_by_owner ON sessions (owner, serial);
CREATE TABLE IF NOT EXISTS chunks (
    serial SERIAL_KEY, session INTEGER NOT NULL, sequence INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
    sealed BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS chunks_by_place ON chunks (session, sequence);
CREATE TABLE IF NOT EXISTS session_totals (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1), chunks INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL);
"""

_ADD_SESSION = (
    "INSERT INTO sessions (id, owner, state, width, height, codec, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " RETURNING serial"
)
_SESSION = "SELECT * FROM sessions WHERE id = ?"
_SESSIONS = "SELECT * FROM sessions WHERE owner = ? AND serial < ? ORDER BY serial DESC LIMIT ?"
_MOVE = "UPDATE sessions SET state = ? WHERE serial = ? AND state = ?"
_NEXT_CHUNK = (
    "UPDATE sessions SET state = ?, chunks = chunks + 1, raw_bytes = raw_bytes + ? WHERE serial = ? AND state = ?"
    " RETURNING chunks"
)
_GROW = "UPDATE sessions SET stored_bytes = stored_bytes + ? WHERE serial = ?"
_PRUNE_SESSIONS = "DELETE FROM sessions WHERE serial <= ? RETURNING state, chunks, raw_bytes, stored_bytes"
_ADD_TO_TOTALS = (
    "INSERT INTO session_totals (singleton, chunks, raw_bytes, stored_bytes) VALUES (1, ?, ?, ?) ON CONFLICT (singleton)"
    " DO UPDATE SET chunks = session_totals.chunks + excluded.chunks,"
    " raw_bytes = session_totals.raw_bytes + excluded.raw_bytes,"
    " stored_bytes = session_totals.stored_bytes + excluded.stored_bytes"
)
_ADD_CHUNK = "INSERT INTO chunks (session, sequence, raw_bytes, sealed) VALUES (?, ?, ?, ?) RETURNING serial"
_CHUNK = "SELECT raw_bytes, sealed FROM chunks WHERE session = ? AND sequence = ?"
_PRUNE_CHUNKS = "DELETE FROM chunks WHERE serial <= ?"
_KEPT_SESSIONS = "SELECT serial FROM sessions ORDER BY serial"
_KEPT_CHUNKS = "SELECT serial, LENGTH(sealed) FROM chunks ORDER BY serial"
_BY_STATE = "SELECT state, COUNT(*), SUM(chunks), SUM(raw_bytes), SUM(stored_bytes) FROM sessions GROUP BY state"
_PRUNED = "SELECT chunks, raw_bytes, stored_bytes FROM session_totals"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How much is kept; beyond it the oldest go."""

    sessions: int = 200_000
    chunks: int = 50_000
    chunk_bytes: int = 64 * 1024 * 1024


class SessionStorage:
    """Sessions and their chunks."""

    def __init__(self, database: Database, limits: SessionLimits | None = None) -> None:
        limits = limits or SessionLimits()
        self._database = database
        self._kept_sessions = Retention(limits.sessions)
        self._kept_chunks = Retention(limits.chunks, limits.chunk_bytes)
        self._totals = (0, 0, 0)  # chunks, raw bytes, stored bytes
        self.by_state: dict[str, int] = {state.value: 0 for state in State}
        """How many of the kept sessions are in each state."""

    async def create(self) -> None:
        """Create the tables where they are missing, and take up what is in them."""
        await self._database.create(_SCHEMA)
        for (serial,) in await self._database.fetch_all(_KEPT_SESSIONS):
            self._kept_sessions.add(serial)
        for serial, size_bytes in await self._database.fetch_all(_KEPT_CHUNKS):
            self._kept_chunks.add(serial, size_bytes)
        pruned = await self._database.fetch_one(_PRUNED)
        if pruned is not None:
            self._add_to_totals(*pruned)
        for state, count, *sums in await self._database.fetch_all(_BY_STATE):
            self.by_state[state] = count
            self._add_to_totals(*sums)

    async def add(self, session_id: str, owner: str, wanted: NewSession, now: float) -> SessionInfo:
        """Store a new session; the oldest ones go when there are too many."""
        state = State.CREATED
        width, height = wanted.resolution
        row = (session_id, owner, state.value, width, height, wanted.codec, now)
        added = await self._database.fetch_one(_ADD_SESSION, *row)
        assert added is not None
        self.by_state[state.value] += 1
        last = self._kept_sessions.add(added[0])
        if last is not None:
            await self._prune_sessions(last)
        return SessionInfo(session_id, owner, state, wanted.resolution, wanted.codec, 0, 0, 0, now)

    async def find(self, session_id: str) -> tuple[int, SessionInfo] | None:
        """The serial number and the session, or None."""
        row = await self._database.fetch_one(_SESSION, session_id)
        return None if row is None else _session(row)

    async def of_owner(self, owner: str, before: int | None, limit: int) -> list[tuple[int, SessionInfo]]:
        """Up to `limit` sessions of `owner` with serial numbers below `before`, newest first."""
        rows = await self._database.fetch_all(_SESSIONS, owner, 2**63 - 1 if before is None else before, limit)
        return [_session(row) for row in rows]

    async def move(self, serial: int, old: State, new: State) -> bool:
        """Move a session on; whether it was in the state `old`."""
        if not await self._database.execute(_MOVE, new.value, serial, old.value):
            return False
        self._count_move(old, new)
        return True

    async def add_chunk(
        self, serial: int, old: State, new: State, raw_bytes: int, seal: Callable[[int], bytes]
    ) -> tuple[int, int] | None:
        """Store the next chunk of a session, sealed for its number, and move the session on; the oldest go when there is too much.

        Returns the chunk's number and its stored bytes; None, and nothing is stored, if the session is not in the state `old`.
        """
        async with self._database.transaction() as database:
            row = await database.fetch_one(_NEXT_CHUNK, new.value, raw_bytes, serial, old.value)
            if row is None:
                return None
            sequence = int(row[0]) - 1
            sealed = seal(sequence)
            await database.execute(_GROW, len(sealed), serial)
            added = await database.fetch_one(_ADD_CHUNK, serial, sequence, raw_bytes, sealed)
        assert added is not None
        self._count_move(old, new)
        self._add_to_totals(1, raw_bytes, len(sealed))
        last = self._kept_chunks.add(added[0], len(sealed))
        if last is not None:
            await self._database.execute(_PRUNE_CHUNKS, last)
        return sequence, len(sealed)

    async def chunk(self, serial: int, sequence: int) -> tuple[int, bytes] | None:
        """Raw length in bytes and sealed content of a chunk, or None."""
        row = await self._database.fetch_one(_CHUNK, serial, sequence)
        return None if row is None else (row[0], row[1])

    def chunk_totals(self) -> ChunkTotals:
        """Chunks since the database was begun, and those kept."""
        kept = self._kept_chunks
        chunks, raw_bytes, stored_bytes = self._totals
        return ChunkTotals(chunks, raw_bytes, stored_bytes, len(kept), kept.bytes)

    async def _prune_sessions(self, last: int) -> None:
        async with self._database.transaction() as database:
            gone = await database.fetch_all(_PRUNE_SESSIONS, last)
            sums = [sum(row[column] for row in gone) for column in (1, 2, 3)]
            await database.execute(_ADD_TO_TOTALS, *sums)
        for row in gone:
            self.by_state[row[0]] -= 1

    def _add_to_totals(self, chunks: int, raw_bytes: int, stored_bytes: int) -> None:
        before = self._totals
        # A sum comes from PostgreSQL as a Decimal.
        self._totals = (before[0] + int(chunks), before[1] + int(raw_bytes), before[2] + int(stored_bytes))

    def _count_move(self, old: State, new: State) -> None:
        self.by_state[old.value] -= 1
        self.by_state[new.value] += 1


def _session(row: tuple[Any, ...]) -> tuple[int, SessionInfo]:
    serial, session_id, owner, state, width, height, *rest = row
    return serial, SessionInfo(session_id, owner, State(state), (width, height), *rest)
