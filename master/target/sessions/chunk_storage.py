"""The chunks of sessions in the database, sealed. The oldest go when they take too much room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from master.target.database.database import Database
from master.target.sessions.chunks import PackedChunk, SessionCipher
from master.target.sessions.states import SessionEvent, State, next_state
from master.target.sessions.storage import StoredSession
from master.target.sessions.tallies import Change, SessionTallies

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chunks (
    serial SERIAL_KEY, session INTEGER NOT NULL, sequence INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
    digest BLOB NOT NULL, sealed BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS chunks_by_place ON chunks (session, sequence);
"""
_GROW = (
    "UPDATE sessions SET state = ?, chunks = chunks + 1, raw_bytes = raw_bytes + ?, stored_bytes = stored_bytes + ?"
    " WHERE serial = ? AND state = ? AND chunks = COALESCE(?, chunks) RETURNING chunks"
)
_RESIZE = (
    "UPDATE sessions SET raw_bytes = raw_bytes + ?, stored_bytes = stored_bytes + ? WHERE serial = ? AND state = ?"
)
_PUT = (
    "INSERT INTO chunks (session, sequence, raw_bytes, digest, sealed) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (session, sequence) DO UPDATE SET"
    " raw_bytes = excluded.raw_bytes, digest = excluded.digest, sealed = excluded.sealed"
)
_SIZES = "SELECT raw_bytes, LENGTH(sealed) FROM chunks WHERE session = ? AND sequence = ?"
_FIND = "SELECT sequence, raw_bytes, digest, sealed FROM chunks WHERE session = ? AND sequence = ?"
_BATCH = (
    "SELECT sequence, raw_bytes, digest, sealed FROM chunks WHERE session = ? AND sequence >= ? AND sequence < ?"
    " ORDER BY sequence LIMIT ?"
)
_DIGESTS = "SELECT digest FROM chunks WHERE session = ? AND sequence >= ? AND sequence < ? ORDER BY sequence LIMIT ?"
_KEPT = "SELECT COUNT(*), COALESCE(SUM(LENGTH(sealed)), 0) FROM chunks"
_OLDEST = "SELECT serial, LENGTH(sealed) FROM chunks ORDER BY serial LIMIT ?"
_PRUNE = "DELETE FROM chunks WHERE serial <= ?"
_PRUNED_AT_ONCE = 128


class SealedChunk(NamedTuple):
    """A chunk as it is stored."""

    sequence: int
    raw_bytes: int
    digest: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """How much is kept of chunks; `chunk_bytes` as they are stored."""

    chunks: int = 50_000
    chunk_bytes: int = 64 * 1024 * 1024


class ChunkStorage:
    """The table of chunks. `await open()` before use, after the sessions' own."""

    def __init__(self, database: Database, tallies: SessionTallies, limits: ChunkLimits | None = None) -> None:
        self._database = database
        self._tallies = tallies
        self._limits = limits or ChunkLimits()
        self._pruning = False
        self.kept = 0
        self.kept_bytes = 0

    async def open(self) -> None:
        """Create what is missing, and sum up what is there."""
        await self._database.create(_SCHEMA)
        row = await self._database.fetch_one(_KEPT)
        assert row is not None
        self.kept, self.kept_bytes = map(int, row)

    async def add(
        self, stored: StoredSession, chunk: PackedChunk, cipher: SessionCipher, at: int | None = None
    ) -> int | None:
        """Store the next chunk, if that is the one numbered `at`, and move the session on; the chunk's number.

        None if the session is no more in the state that `stored` has, or has another number next. Raises ApiError 409.
        """
        serial, session = stored
        state = next_state(session.state, SessionEvent.CHUNK)
        async with self._database.transaction() as database:
            grown = await database.fetch_one(
                _GROW, state.value, chunk.raw_bytes, chunk.stored_bytes, serial, session.state.value, at
            )
            if grown is None:
                return None
            sequence: int = grown[0] - 1
            sealed = cipher.seal(chunk, sequence)
            await database.execute(_PUT, serial, sequence, chunk.raw_bytes, chunk.digest, sealed)
        change = Change(session.state, state, 1, 1, chunk.raw_bytes, chunk.stored_bytes)
        self._tallies.change(session.owner, change)
        await self._count(1, chunk.stored_bytes)
        return sequence

    async def replace(self, stored: StoredSession, sequence: int, chunk: PackedChunk, cipher: SessionCipher) -> bool:
        """Store a chunk in place of the one that a recording session has, or had, under that number.

        False if the session is not recording any more. What was lost of it counts on until the session is processed.
        """
        serial, session = stored
        async with self._database.transaction() as database:
            old = await database.fetch_one(_SIZES, serial, sequence)
            raw_bytes, stored_bytes = old or (0, 0)
            more_raw, more_stored = chunk.raw_bytes - raw_bytes, chunk.stored_bytes - stored_bytes
            if not await database.execute(_RESIZE, more_raw, more_stored, serial, State.RECORDING.value):
                return False
            sealed = cipher.seal(chunk, sequence)
            await database.execute(_PUT, serial, sequence, chunk.raw_bytes, chunk.digest, sealed)
        change = Change(raw_bytes=more_raw, stored_bytes=more_stored)
        self._tallies.change(session.owner, change)
        await self._count(1 if old is None else 0, more_stored)
        return True

    async def find(self, serial: int, sequence: int) -> SealedChunk | None:
        """A chunk of the session with that serial number, or None."""
        row = await self._database.fetch_one(_FIND, serial, sequence)
        return None if row is None else SealedChunk(*row)

    async def batch(self, serial: int, start: int, end: int, limit: int) -> list[SealedChunk]:
        """Up to `limit` chunks of a session in order, from number `start` to before `end`; lost ones are passed over."""
        rows = await self._database.fetch_all(_BATCH, serial, start, end, limit)
        return [SealedChunk(*row) for row in rows]

    async def digests(self, serial: int, start: int, end: int, limit: int) -> list[bytes]:
        """As `batch`, the digests alone."""
        return [bytes(row[0]) for row in await self._database.fetch_all(_DIGESTS, serial, start, end, limit)]

    async def _count(self, chunks: int, stored_bytes: int) -> None:
        self.kept += chunks
        self.kept_bytes += stored_bytes
        limits = self._limits
        if not self._pruning and (self.kept > limits.chunks or self.kept_bytes > limits.chunk_bytes):
            self._pruning = True
            try:
                await self._prune(limits.chunks - limits.chunks // 512, limits.chunk_bytes - limits.chunk_bytes // 512)
            finally:
                self._pruning = False

    async def _prune(self, max_chunks: int, max_bytes: int) -> None:
        """Drop the oldest down to these. 1/512 of room makes it 70 chunks of desktops at a time, which take a millisecond."""
        while self.kept > 1 and (self.kept > max_chunks or self.kept_bytes > max_bytes):
            gone, gone_bytes, last = 0, 0, None
            async with self._database.transaction() as database:
                for serial, stored_bytes in await database.fetch_all(_OLDEST, _PRUNED_AT_ONCE):
                    kept, kept_bytes = self.kept - gone, self.kept_bytes - gone_bytes
                    if kept <= 1 or (kept <= max_chunks and kept_bytes <= max_bytes):
                        break
                    gone, gone_bytes, last = gone + 1, gone_bytes + stored_bytes, serial
                if last is None:
                    return
                await database.execute(_PRUNE, last)
            self.kept -= gone
            self.kept_bytes -= gone_bytes
