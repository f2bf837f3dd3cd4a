"""What the target remembers, in SQLite, bounded so that a soak of days does not fill a disk.

One connection, used in the loop's thread alone: every statement takes tens of microseconds, less than handing it to another
thread would, and a single writer never finds the database locked. Nothing is ever synced to the disk (synchronous=OFF):
with NORMAL the syncs of WAL's checkpoints were measured to stall the loop for 8 to 117 ms, which a generator would see as
latency, and a power cut has nothing to spoil, since neither the database nor the key of its chunks outlives the process.
sqlite3 keeps statements prepared by their text, so each text below is a constant.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .messages import ChunkTotals, Heartbeat, NewNode, NewSession, NodeTotals, RegisteredNode, SessionInfo, State

_APPLICATION_ID = 0x70697377  # "pisw": marks a database as this target's own, which may be wiped
_PREPARED_STATEMENTS = 64

# The order of columns is that of the fields of `SessionInfo` and `RegisteredNode`.
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE sessions (
    serial INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, codec TEXT NOT NULL,
    chunks INTEGER NOT NULL DEFAULT 0, raw_bytes INTEGER NOT NULL DEFAULT 0, stored_bytes INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL);
CREATE INDEX sessions_by_owner ON sessions (owner, serial);
CREATE TABLE chunks (
    serial INTEGER PRIMARY KEY, session INTEGER NOT NULL, sequence INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
    sealed BLOB NOT NULL);
CREATE UNIQUE INDEX chunks_by_place ON chunks (session, sequence);
CREATE TABLE nodes (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, model TEXT NOT NULL, cpu_count INTEGER NOT NULL, memory_mb INTEGER NOT NULL,
    registered_at REAL NOT NULL, heard_at REAL NOT NULL, heartbeats INTEGER NOT NULL DEFAULT 0,
    cpu_percent REAL, memory_percent REAL, temperature_c REAL) WITHOUT ROWID;
"""

_ADD_SESSION = "INSERT INTO sessions (id, owner, state, width, height, codec, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
_SESSION = "SELECT * FROM sessions WHERE id = ?"
_SESSIONS = "SELECT * FROM sessions WHERE owner = ? AND serial < ? ORDER BY serial DESC LIMIT ?"
_SET_STATE = "UPDATE sessions SET state = ? WHERE serial = ?"
_GROW_SESSION = (
    "UPDATE sessions SET state = ?, chunks = chunks + 1, raw_bytes = raw_bytes + ?, stored_bytes = stored_bytes + ?"
    " WHERE serial = ?"
)
_PRUNE_SESSIONS = "DELETE FROM sessions WHERE serial <= ? RETURNING state"
_ADD_CHUNK = "INSERT INTO chunks (session, sequence, raw_bytes, sealed) VALUES (?, ?, ?, ?)"
_CHUNK = "SELECT raw_bytes, sealed FROM chunks WHERE session = ? AND sequence = ?"
_PRUNE_CHUNKS = "DELETE FROM chunks WHERE serial <= ?"
_PUT_NODE = (
    "INSERT INTO nodes (name, owner, model, cpu_count, memory_mb, registered_at, heard_at)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (name) DO UPDATE SET"
    " model = ?3, cpu_count = ?4, memory_mb = ?5, heard_at = ?6"
)
_BEAT = (
    "UPDATE nodes SET heard_at = ?, heartbeats = heartbeats + 1, cpu_percent = ?, memory_percent = ?, temperature_c = ?"
    " WHERE name = ?"
)
_NODE = "SELECT * FROM nodes WHERE name = ?"
_NODES = "SELECT * FROM nodes WHERE name > ? ORDER BY name LIMIT ?"
_NODE_TOTALS = "SELECT COUNT(*), COALESCE(SUM(heard_at >= ?), 0) FROM nodes"


class ForeignDatabaseError(Exception):
    """The file exists and is not a database of this target, so it is not to be wiped."""


@dataclass(frozen=True, slots=True)
class StorageLimits:
    """How much is kept. Beyond `sessions` and the two bounds on chunks the oldest go; nodes beyond `nodes` are refused."""

    sessions: int = 200_000
    chunks: int = 50_000
    chunk_bytes: int = 64 * 1024 * 1024
    nodes: int = 10_000


class Retention:
    """Decides which of the oldest rows go. Pure: it sees serial numbers and sizes only.

    Once a bound is passed, rows go until 1/64 of it is free, so that deleting happens once in hundreds of insertions and
    yet stays a matter of milliseconds.
    """

    def __init__(self, max_rows: int, max_bytes: int | None = None) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._rows: deque[tuple[int, int]] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, serial: int, size_bytes: int = 0) -> int | None:
        """Note a new row; the highest serial number that has to go now, or None. Serial numbers rise."""
        self._rows.append((serial, size_bytes))
        self.bytes += size_bytes
        if not self._over(self._max_rows, self._max_bytes):
            return None
        rows_left = self._max_rows - self._max_rows // 64
        bytes_left = None if self._max_bytes is None else self._max_bytes - self._max_bytes // 64
        last = None
        while len(self._rows) > 1 and self._over(rows_left, bytes_left):
            last, size = self._rows.popleft()
            self.bytes -= size
        return last

    def _over(self, rows: int, size_bytes: int | None) -> bool:
        return len(self._rows) > rows or (size_bytes is not None and self.bytes > size_bytes)


@dataclass(slots=True)
class _Totals:
    chunks: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0


class TargetStorage:
    """Sessions, their chunks, and nodes. Times are Unix seconds and are passed in."""

    def __init__(self, path: Path, limits: StorageLimits | None = None) -> None:
        """Begin a new database at `path`; one that an earlier target left there is wiped.

        Raises ForeignDatabaseError if the file is anything else, sqlite3.Error if it can't be written.
        """
        self.limits = limits or StorageLimits()
        _wipe(path)
        self._db = sqlite3.connect(path, isolation_level=None, cached_statements=_PREPARED_STATEMENTS)
        self._db.executescript(_SCHEMA)
        self._kept_sessions = Retention(self.limits.sessions)
        self._kept_chunks = Retention(self.limits.chunks, self.limits.chunk_bytes)
        self._totals = _Totals()
        self.sessions_by_state: dict[str, int] = {state.value: 0 for state in State}

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def add_session(self, session_id: str, owner: str, wanted: NewSession, now: float) -> SessionInfo:
        """Store a new session; the oldest ones go when there are too many."""
        state = State.CREATED
        width, height = wanted.resolution
        row = (session_id, owner, state.value, width, height, wanted.codec, now)
        serial = self._db.execute(_ADD_SESSION, row).lastrowid
        assert serial is not None
        self.sessions_by_state[state.value] += 1
        last = self._kept_sessions.add(serial)
        if last is not None:
            for (gone,) in self._db.execute(_PRUNE_SESSIONS, (last,)).fetchall():
                self.sessions_by_state[gone] -= 1
        return SessionInfo(session_id, owner, state, wanted.resolution, wanted.codec, 0, 0, 0, now)

    def session(self, session_id: str) -> tuple[int, SessionInfo] | None:
        """The serial number and the session, or None."""
        row = self._db.execute(_SESSION, (session_id,)).fetchone()
        return None if row is None else _session(row)

    def sessions(self, owner: str, before: int | None, limit: int) -> list[tuple[int, SessionInfo]]:
        """Up to `limit` sessions of `owner` with serial numbers below `before`, newest first."""
        rows = self._db.execute(_SESSIONS, (owner, 2**63 - 1 if before is None else before, limit))
        return [_session(row) for row in rows]

    def set_state(self, serial: int, old: State, new: State) -> None:
        """Move a session on."""
        self._db.execute(_SET_STATE, (new.value, serial))
        self._count_move(old, new)

    def add_chunk(self, serial: int, session: SessionInfo, new: State, raw_bytes: int, sealed: bytes) -> None:
        """Store the next chunk of a session and move the session on; the oldest chunks go when there is too much."""
        with self._db:
            self._db.execute("BEGIN")
            chunk = self._db.execute(_ADD_CHUNK, (serial, session.chunks, raw_bytes, sealed)).lastrowid
            self._db.execute(_GROW_SESSION, (new.value, raw_bytes, len(sealed), serial))
        assert chunk is not None
        self._count_move(session.state, new)
        self._totals.chunks += 1
        self._totals.raw_bytes += raw_bytes
        self._totals.stored_bytes += len(sealed)
        last = self._kept_chunks.add(chunk, len(sealed))
        if last is not None:
            self._db.execute(_PRUNE_CHUNKS, (last,))

    def chunk(self, serial: int, sequence: int) -> tuple[int, bytes] | None:
        """Raw length in bytes and sealed content of a chunk, or None."""
        row: tuple[int, bytes] | None = self._db.execute(_CHUNK, (serial, sequence)).fetchone()
        return row

    def chunk_totals(self) -> ChunkTotals:
        """Chunks so far, and those kept."""
        totals = self._totals
        kept = self._kept_chunks
        return ChunkTotals(totals.chunks, totals.raw_bytes, totals.stored_bytes, len(kept), kept.bytes)

    def put_node(self, wanted: NewNode, owner: str, now: float) -> None:
        """Register a node, or renew what is known of it; its owner stays who it was."""
        self._db.execute(_PUT_NODE, (wanted.name, owner, wanted.model, wanted.cpu_count, wanted.memory_mb, now))

    def beat(self, name: str, heartbeat: Heartbeat, now: float) -> None:
        """Note a heartbeat of a registered node."""
        values = (now, heartbeat.cpu_percent, heartbeat.memory_percent, heartbeat.temperature_c, name)
        self._db.execute(_BEAT, values)

    def node(self, name: str) -> RegisteredNode | None:
        """The node, or None."""
        row = self._db.execute(_NODE, (name,)).fetchone()
        return None if row is None else RegisteredNode(*row)

    def nodes(self, after: str, limit: int) -> list[RegisteredNode]:
        """Up to `limit` nodes whose names come after `after`, by name."""
        return [RegisteredNode(*row) for row in self._db.execute(_NODES, (after, limit))]

    def node_totals(self, heard_since: float) -> NodeTotals:
        """All nodes, and those heard from since then."""
        total, alive = self._db.execute(_NODE_TOTALS, (heard_since,)).fetchone()
        return NodeTotals(total, alive)

    def _count_move(self, old: State, new: State) -> None:
        self.sessions_by_state[old.value] -= 1
        self.sessions_by_state[new.value] += 1


def _session(row: tuple[Any, ...]) -> tuple[int, SessionInfo]:
    serial, session_id, owner, state, width, height, *rest = row
    return serial, SessionInfo(session_id, owner, State(state), (width, height), *rest)


def _wipe(path: Path) -> None:
    if path.exists() and path.stat().st_size:
        try:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                (found,) = connection.execute("PRAGMA application_id").fetchone()
            finally:
                connection.close()
        except sqlite3.Error:
            found = None
        if found != _APPLICATION_ID:
            raise ForeignDatabaseError(f"{path} exists and is not a database of this target")
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
