"""Sessions in the database, bounded so that a soak of days does not fill a disk.

A session moves by compare and set: a change that was decided on one state is carried out only if the session is still in it.
The statements therefore need no lock, and are right with any number of requests on the way.
"""

from __future__ import annotations

from typing import Any

import msgspec

from master.target.database.database import Database, Row
from master.target.sessions.chunks import reduction
from master.target.sessions.messages import NewSession, SessionInfo
from master.target.sessions.states import SessionEvent, State, next_state
from master.target.sessions.tallies import Change, SessionTallies

# The order of columns is that in which `_session` takes them. The indexes of what the target itself is to move on are partial:
# they hold few, and a change of other sessions costs them nothing.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    serial SERIAL_KEY, id TEXT UNIQUE NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, codec TEXT NOT NULL,
    chunks INTEGER NOT NULL DEFAULT 0, raw_bytes INTEGER NOT NULL DEFAULT 0, stored_bytes INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL, closed_at REAL, processing_s REAL, root TEXT, reason TEXT, damaged TEXT,
    anchor TEXT, anchor_height INTEGER, server TEXT);
CREATE INDEX IF NOT EXISTS sessions_by_owner ON sessions (owner, serial);
CREATE INDEX IF NOT EXISTS sessions_processing ON sessions (serial) WHERE state = 'processing';
CREATE INDEX IF NOT EXISTS sessions_anchoring ON sessions (serial) WHERE state = 'anchoring';
CREATE TABLE IF NOT EXISTS pruned_sessions (
    one INTEGER PRIMARY KEY, sessions INTEGER NOT NULL, chunks INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL, processed INTEGER NOT NULL, processing_s REAL NOT NULL);
"""

_ADD = (
    "INSERT INTO sessions (id, owner, state, width, height, codec, created_at, server) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " RETURNING *"
)
_FIND = "SELECT * FROM sessions WHERE id = ?"
_PAGE = "SELECT * FROM sessions WHERE owner = ? AND serial < ? ORDER BY serial DESC LIMIT ?"
_IN_WORK = {
    State.PROCESSING: "SELECT * FROM sessions WHERE state = 'processing' AND serial > ? ORDER BY serial LIMIT ?",
    State.ANCHORING: "SELECT * FROM sessions WHERE state = 'anchoring' AND serial > ? ORDER BY serial LIMIT ?",
}
_MOVE = "UPDATE sessions SET state = ? WHERE serial = ? AND state = ? RETURNING *"
_CLOSE = "UPDATE sessions SET state = ?, closed_at = ? WHERE serial = ? AND state = ? RETURNING *"
_FAIL = "UPDATE sessions SET state = ?, reason = ?, damaged = ? WHERE serial = ? AND state = ?"
_FINALIZE = "UPDATE sessions SET state = ?, anchor_height = ? WHERE serial = ? AND state = ?"
# The transaction of an earlier attempt is none of the next one.
_VERIFY = (
    "UPDATE sessions SET state = ?, root = ?, raw_bytes = ?, stored_bytes = ?, processing_s = ?,"
    " reason = NULL, damaged = NULL, anchor = NULL WHERE serial = ? AND state = ?"
)
_SET_ANCHOR = "UPDATE sessions SET anchor = ? WHERE serial = ? AND state = 'anchoring'"
_PRUNE_TO = "SELECT serial FROM sessions ORDER BY serial LIMIT 1 OFFSET ?"
_PRUNE = "DELETE FROM sessions WHERE serial <= ? RETURNING owner, state, chunks, raw_bytes, stored_bytes, processing_s"
_ADD_PRUNED = (
    "INSERT INTO pruned_sessions (one, sessions, chunks, raw_bytes, stored_bytes, processed, processing_s)"
    " VALUES (1, ?, ?, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET"
    " sessions = pruned_sessions.sessions + excluded.sessions, chunks = pruned_sessions.chunks + excluded.chunks,"
    " raw_bytes = pruned_sessions.raw_bytes + excluded.raw_bytes,"
    " stored_bytes = pruned_sessions.stored_bytes + excluded.stored_bytes,"
    " processed = pruned_sessions.processed + excluded.processed,"
    " processing_s = pruned_sessions.processing_s + excluded.processing_s"
)
_PRUNED = "SELECT sessions, chunks, raw_bytes, stored_bytes, processed, processing_s FROM pruned_sessions"
_SUMS = (
    "SELECT owner, state, COUNT(*), SUM(chunks), SUM(raw_bytes), SUM(stored_bytes), COUNT(processing_s),"
    " COALESCE(SUM(processing_s), 0.0) FROM sessions GROUP BY owner, state"
)

StoredSession = tuple[int, SessionInfo]
"""A session with its serial number, by which the newer ones are told from the older ones."""


class SessionStorage:
    """The table of sessions. Times are Unix seconds and are passed in. `await open()` before use."""

    def __init__(self, database: Database, tallies: SessionTallies, max_sessions: int = 200_000) -> None:
        self._database = database
        self._tallies = tallies
        self._max_sessions = max_sessions
        self._pruning = False

    async def open(self) -> None:
        """Create what is missing, and sum up what is there."""
        await self._database.create(_SCHEMA)
        for owner, state, *sums in await self._database.fetch_all(_SUMS):
            # PostgreSQL sums integers up to decimals.
            count, chunks, raw_bytes, stored_bytes, processed = map(int, sums[:5])
            change = Change(None, State(state), count, chunks, raw_bytes, stored_bytes, processed, sums[5])
            self._tallies.change(owner, change)
        pruned = await self._database.fetch_one(_PRUNED)
        if pruned is not None:
            self._tallies.add_pruned(Change(None, None, *pruned))

    async def add(self, session_id: str, owner: str, wanted: NewSession, server: str | None, now: float) -> SessionInfo:
        """Store a new session; the oldest ones go when there are too many."""
        width, height = wanted.resolution
        created = State.CREATED
        row = await self._database.fetch_one(
            _ADD, session_id, owner, created.value, width, height, wanted.codec, now, server
        )
        assert row is not None
        self._tallies.change(owner, Change(None, created))
        await self._prune()
        return _session(row)[1]

    async def find(self, session_id: str) -> StoredSession | None:
        """The session, or None."""
        row = await self._database.fetch_one(_FIND, session_id)
        return None if row is None else _session(row)

    async def page(self, owner: str, before: int | None, limit: int) -> list[StoredSession]:
        """Up to `limit` sessions of `owner` with serial numbers below `before`, newest first."""
        rows = await self._database.fetch_all(_PAGE, owner, 2**63 - 1 if before is None else before, limit)
        return [_session(row) for row in rows]

    async def in_work(self, state: State, after: int, limit: int) -> list[StoredSession]:
        """Up to `limit` sessions that are processing or anchoring, with serial numbers above `after`, oldest first."""
        return [_session(row) for row in await self._database.fetch_all(_IN_WORK[state], after, limit)]

    async def move(self, stored: StoredSession, event: SessionEvent) -> SessionInfo | None:
        """The session after `event`; None if it is no more in the state that `stored` has. Raises ApiError 409."""
        serial, session = stored
        state = next_state(session.state, event)
        row = await self._database.fetch_one(_MOVE, state.value, serial, session.state.value)
        return None if row is None else self._moved(session, row)

    async def close(self, stored: StoredSession, now: float) -> SessionInfo | None:
        """As `move`, for the end of recording."""
        serial, session = stored
        state = next_state(session.state, SessionEvent.CLOSE)
        row = await self._database.fetch_one(_CLOSE, state.value, now, serial, session.state.value)
        return None if row is None else self._moved(session, row)

    async def fail(self, stored: StoredSession, reason: str, damaged: list[int] | None = None) -> None:
        """Move a session to `failed`, unless it is no more in the state that `stored` has."""
        serial, session = stored
        state = next_state(session.state, SessionEvent.FAIL)
        numbers = None if damaged is None else msgspec.json.encode(damaged).decode()
        if await self._database.execute(_FAIL, state.value, reason, numbers, serial, session.state.value):
            self._tallies.change(session.owner, Change(session.state, state))

    async def finalize(self, stored: StoredSession, height: int) -> None:
        """Move a session to `anchored`, unless it is no more in the state that `stored` has."""
        serial, session = stored
        state = next_state(session.state, SessionEvent.FINALIZE)
        if await self._database.execute(_FINALIZE, state.value, height, serial, session.state.value):
            self._tallies.change(session.owner, Change(session.state, state))

    async def verify(
        self, stored: StoredSession, root: str, raw_bytes: int, stored_bytes: int, duration_s: float
    ) -> None:
        """Move a session to `processed` with what was found, unless it is no more in the state that `stored` has."""
        serial, session = stored
        state = next_state(session.state, SessionEvent.VERIFY)
        if await self._database.execute(
            _VERIFY, state.value, root, raw_bytes, stored_bytes, duration_s, serial, session.state.value
        ):
            change = Change(
                session.state,
                state,
                raw_bytes=raw_bytes - session.raw_bytes,
                stored_bytes=stored_bytes - session.stored_bytes,
                processed=1 if session.processing_s is None else 0,
                processing_s=duration_s - (session.processing_s or 0.0),
            )
            self._tallies.change(session.owner, change)

    async def set_anchor(self, serial: int, transaction_id: str) -> None:
        """Note the transaction that an anchoring session waits for."""
        await self._database.execute(_SET_ANCHOR, transaction_id, serial)

    def _moved(self, old: SessionInfo, row: Row) -> SessionInfo:
        _, session = _session(row)
        self._tallies.change(session.owner, Change(old.state, session.state))
        return session

    async def _prune(self) -> None:
        """Drop the oldest once there are too many: 1/1024 of all, so that it happens seldom and takes a few milliseconds."""
        surplus = self._tallies.kept.sessions - self._max_sessions
        if surplus <= 0 or self._pruning:
            return
        self._pruning = True
        try:
            pruned: list[Row] = []
            async with self._database.transaction() as database:
                last = await database.fetch_one(_PRUNE_TO, surplus + self._max_sessions // 1024 - 1)
                if last is not None:
                    pruned = await database.fetch_all(_PRUNE, last[0])
                    await database.execute(_ADD_PRUNED, *_sums(pruned))
        finally:
            self._pruning = False
        for owner, state, chunks, raw_bytes, stored_bytes, processing_s in pruned:
            processed = 0 if processing_s is None else 1
            gone = Change(State(state), None, 1, chunks, raw_bytes, stored_bytes, processed, processing_s or 0.0)
            self._tallies.prune(owner, gone)


def _sums(pruned: list[Row]) -> tuple[Any, ...]:
    chunks, raw_bytes, stored_bytes = (sum(row[at] for row in pruned) for at in (2, 3, 4))
    durations = [row[5] for row in pruned if row[5] is not None]
    return len(pruned), chunks, raw_bytes, stored_bytes, len(durations), sum(durations, 0.0)


def _session(row: Row) -> StoredSession:
    serial, session_id, owner, state, width, height, codec, chunks, raw_bytes, stored_bytes, *rest = row
    created_at, closed_at, processing_s, root, reason, damaged, anchor, anchor_height, server = rest
    return serial, SessionInfo(
        session_id,
        owner,
        State(state),
        (width, height),
        codec,
        chunks,
        raw_bytes,
        stored_bytes,
        reduction(raw_bytes, stored_bytes),
        created_at,
        closed_at,
        processing_s,
        root,
        reason,
        None if damaged is None else msgspec.json.decode(damaged),
        anchor,
        anchor_height,
        server,
    )
