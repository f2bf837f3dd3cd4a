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

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from . import chunks, errors
from .auth import Authority, Caller
from .bodies import JsonResponse, read_bytes, read_json, read_query
from .messages import NewSession, Role, SessionInfo, SessionPage, SessionQuery, State, StoredChunk
from .storage import TargetStorage

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

_new_session_decoder = msgspec.json.Decoder(NewSession)


def next_state(state: State, event: SessionEvent) -> State:
    """The state after `event`. Raises ApiError 409 if it can't happen in `state`."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise errors.conflict(f"session is {state.value}")
    return following


class SessionApi:
    """The handlers under /sessions. A user sees its own sessions, an administrator everybody's."""

    def __init__(
        self, authority: Authority, storage: TargetStorage, pool: Executor, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._authority = authority
        self._storage = storage
        self._pool = pool
        self._clock = clock
        self._cipher = chunks.ChunkCipher()

    async def create(self, request: Request) -> Response:
        """POST /sessions."""
        caller = self._caller(request)
        wanted = await read_json(request, _new_session_decoder)
        session = self._storage.add_session(secrets.token_hex(8), caller.name, wanted, self._clock())
        return JsonResponse(session, 201)

    async def list_own(self, request: Request) -> Response:
        """GET /sessions: the caller's own, newest first, in pages."""
        caller = self._caller(request)
        query = read_query(request, SessionQuery)
        found = self._storage.sessions(caller.name, query.after, query.limit)
        following = found[-1][0] if len(found) == query.limit else None
        return JsonResponse(SessionPage([session for _, session in found], following))

    async def read(self, request: Request) -> Response:
        """GET /sessions/[id]."""
        _, session = self._find(request, self._caller(request))
        return JsonResponse(session)

    async def close(self, request: Request) -> Response:
        """POST /sessions/[id]/close."""
        serial, session = self._find(request, self._caller(request))
        state = next_state(session.state, SessionEvent.CLOSE)
        self._storage.set_state(serial, session.state, state)
        session.state = state
        return JsonResponse(session)

    async def add_chunk(self, request: Request) -> Response:
        """POST /sessions/[id]/chunks: the body as it is, compressed, encrypted and stored under the next number."""
        caller = self._caller(request)
        _, session = self._find(request, caller)
        next_state(session.state, SessionEvent.CHUNK)
        raw = await read_bytes(request, MAX_CHUNK_BYTES)
        if not raw:
            raise errors.invalid("a chunk has at least one byte")
        compressed = await self._run(chunks.compress, raw, len(raw))
        # The session may have moved on while this one waited; from here to the end nothing waits, so numbers are unique.
        serial, session = self._find(request, caller)
        state = next_state(session.state, SessionEvent.CHUNK)
        sealed = self._cipher.seal(compressed, session.id, session.chunks)
        self._storage.add_chunk(serial, session, state, len(raw), sealed)
        saved = chunks.reduction(len(raw), len(sealed))
        return JsonResponse(StoredChunk(session.chunks, len(raw), len(sealed), saved), 201)

    async def read_chunk(self, request: Request) -> Response:
        """GET /sessions/[id]/chunks/[n]: the bytes that were sent."""
        serial, session = self._find(request, self._caller(request))
        number = request.path_params["n"]
        # Nine digits are more than any session has chunks, and less than SQLite's integers hold.
        sequence = int(number) if number.isascii() and number.isdigit() and len(number) <= 9 else -1
        stored = self._storage.chunk(serial, sequence)
        if stored is None:
            raise errors.not_found("chunk")
        raw_bytes, sealed = stored
        compressed = self._cipher.open(sealed, session.id, sequence)
        raw = await self._run(chunks.decompress, compressed, raw_bytes)
        return Response(raw, media_type="application/octet-stream")

    def _caller(self, request: Request) -> Caller:
        return self._authority.caller(request, Role.USER, Role.ADMIN)

    def _find(self, request: Request, caller: Caller) -> tuple[int, SessionInfo]:
        found = self._storage.session(request.path_params["id"])
        # Another's session is not told apart from one that does not exist, so that nobody can probe for them.
        if found is None or not (caller.is_admin or found[1].owner == caller.name):
            raise errors.not_found("session")
        return found

    async def _run(self, work: Callable[[bytes], bytes], data: bytes, raw_bytes: int) -> bytes:
        if raw_bytes <= INLINE_CHUNK_BYTES:
            return work(data)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, data)
