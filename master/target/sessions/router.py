"""Remote-desktop sessions: created, fed with chunks, closed.

Theory of operation: `TRANSITIONS` is the whole of a session's life. Whatever is not in it is answered with 409.

    created ──chunk──► recording ──close──► closed
       │                 ▲  │chunk            ▲
       │                 └──┘                 │
       └────────────────close─────────────────┘
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Executor
from enum import Enum, auto
from typing import Any, ClassVar

from starlette.responses import Response

from master.target.api import errors
from master.target.api.caller import Caller, Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Binary, Call, Endpoint
from master.target.api.metrics import Gauge
from master.target.sessions import chunks
from master.target.sessions.messages import (
    ChunkTotals,
    NewSession,
    SessionInfo,
    SessionPage,
    SessionQuery,
    State,
    StoredChunk,
)
from master.target.sessions.storage import SessionStorage

MAX_CHUNK_BYTES = 1024 * 1024
# Compressing 64 KB takes 1 to 2 ms, about what the loop can stall without harm to others' latency; below that, a thread
# costs more (0.1 ms and a fight for the interpreter lock) than it saves.
INLINE_CHUNK_BYTES = 64 * 1024


class SessionEvent(Enum):
    """What can happen to a session."""

    CHUNK = auto()
    CLOSE = auto()


TRANSITIONS: dict[tuple[State, SessionEvent], State] = {
    (State.CREATED, SessionEvent.CHUNK): State.RECORDING,
    (State.RECORDING, SessionEvent.CHUNK): State.RECORDING,
    (State.CREATED, SessionEvent.CLOSE): State.CLOSED,
    (State.RECORDING, SessionEvent.CLOSE): State.CLOSED,
}


def next_state(state: State, event: SessionEvent) -> State:
    """The state after `event`. Raises ApiError 409 if it can't happen in `state`."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise errors.conflict(f"session is {state.value}")
    return following


_OWNERS = (Role.USER, Role.ADMIN)


class SessionApi(Domain):
    """The handlers under /sessions. A user sees its own sessions, an administrator everybody's."""

    summary_types: ClassVar[dict[str, Any]] = {"sessions": dict[str, int], "chunks": ChunkTotals}

    def __init__(self, storage: SessionStorage, pool: Executor, *, clock: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._pool = pool
        self._clock = clock
        self._cipher = chunks.ChunkCipher()

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        one, body = "/sessions/{id}", Binary(MAX_CHUNK_BYTES)
        return [
            Endpoint(
                "POST",
                "/sessions",
                self.create,
                "Create a session",
                roles=_OWNERS,
                body=NewSession,
                reply=SessionInfo,
                status=201,
            ),
            Endpoint(
                "GET",
                "/sessions",
                self.list_own,
                "The caller's sessions, newest first",
                roles=_OWNERS,
                query=SessionQuery,
                reply=SessionPage,
            ),
            Endpoint("GET", one, self.read, "One session", roles=_OWNERS, reply=SessionInfo),
            Endpoint(
                "POST",
                f"{one}/close",
                self.close,
                "End the recording",
                roles=_OWNERS,
                reply=SessionInfo,
                errors=(409,),
            ),
            Endpoint(
                "POST",
                f"{one}/chunks",
                self.add_chunk,
                "Record a chunk",
                roles=_OWNERS,
                body=body,
                reply=StoredChunk,
                status=201,
                errors=(409,),
            ),
            Endpoint(
                "GET",
                one + "/chunks/{n}",
                self.read_chunk,
                "The bytes of a chunk as they were sent",
                roles=_OWNERS,
                reply="application/octet-stream",
            ),
        ]

    async def start(self) -> None:
        """As Domain."""
        await self._storage.create()

    async def summary(self) -> dict[str, Any]:
        """As Domain: the sessions kept by state, and the chunks."""
        return {"sessions": self._storage.by_state, "chunks": self._storage.chunk_totals()}

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        totals = self._storage.chunk_totals()
        states = self._storage.by_state.items()
        return [
            *(Gauge("target_sessions", "Sessions kept, by state", count, {"state": state}) for state, count in states),
            Gauge("target_chunks_kept", "Chunks kept", totals.kept),
            Gauge("target_chunk_bytes_kept", "Bytes of the chunks kept", totals.kept_bytes),
        ]

    async def create(self, call: Call) -> SessionInfo:
        """Begin a session."""
        return await self._storage.add(secrets.token_hex(8), call.caller.name, call.body, self._clock())

    async def list_own(self, call: Call) -> SessionPage:
        """In pages."""
        query: SessionQuery = call.query
        found = await self._storage.of_owner(call.caller.name, query.after, query.limit)
        following = found[-1][0] if len(found) == query.limit else None
        return SessionPage([session for _, session in found], following)

    async def read(self, call: Call) -> SessionInfo:
        """How it stands."""
        _, session = await self._find(call)
        return session

    async def close(self, call: Call) -> SessionInfo:
        """End the recording."""
        serial, session = await self._find(call)
        state = next_state(session.state, SessionEvent.CLOSE)
        if not await self._storage.move(serial, session.state, state):
            raise errors.conflict("session has moved on meanwhile")
        session.state = state
        return session

    async def add_chunk(self, call: Call) -> StoredChunk:
        """The body as it is, compressed, encrypted and stored under the next number."""
        await self._find(call)
        raw: bytes = call.body
        if not raw:
            raise errors.invalid("a chunk has at least one byte")
        compressed = await self._run(chunks.compress, raw, len(raw))
        stored = None
        for _ in State:  # it may move on between the look at it and the transaction, at most through all states
            serial, session = await self._find(call)
            state = next_state(session.state, SessionEvent.CHUNK)
            stored = await self._storage.add_chunk(
                serial, session.state, state, len(raw), lambda n: self._cipher.seal(compressed, call.path["id"], n)
            )
            if stored is not None:
                break
        else:
            raise errors.conflict("session has moved on meanwhile")
        sequence, stored_bytes = stored
        return StoredChunk(sequence, len(raw), stored_bytes, chunks.reduction(len(raw), stored_bytes))

    async def read_chunk(self, call: Call) -> Response:
        """The bytes that were sent."""
        serial, session = await self._find(call)
        number = call.path["n"]
        # Nine digits are more than any session has chunks, and less than a database's integers hold.
        sequence = int(number) if number.isascii() and number.isdigit() and len(number) <= 9 else -1
        stored = await self._storage.chunk(serial, sequence)
        if stored is None:
            raise errors.not_found("chunk")
        raw_bytes, sealed = stored
        compressed = self._cipher.open(sealed, session.id, sequence)
        raw = await self._run(chunks.decompress, compressed, raw_bytes)
        return Response(raw, media_type="application/octet-stream")

    async def _find(self, call: Call) -> tuple[int, SessionInfo]:
        found = await self._storage.find(call.path["id"])
        # Another's session is not told apart from one that does not exist, so that nobody can probe for them.
        if found is None or not _may_see(call.caller, found[1]):
            raise errors.not_found("session")
        return found

    async def _run(self, work: Callable[[bytes], bytes], data: bytes, raw_bytes: int) -> bytes:
        if raw_bytes <= INLINE_CHUNK_BYTES:
            return work(data)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, data)


def _may_see(caller: Caller, session: SessionInfo) -> bool:
    return caller.is_admin or session.owner == caller.name
