"""The handlers under /sessions: a session is created, fed with chunks, closed, processed, anchored, and recovered if it failed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, ClassVar, Protocol

from starlette.responses import Response

from master.target.api import errors
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Answer, Binary, Call, Endpoint
from master.target.api.metrics import Gauge
from master.target.database.database import Database
from master.target.sessions.anchoring import Anchors, SessionAnchoring
from master.target.sessions.chunk_storage import ChunkLimits, ChunkStorage
from master.target.sessions.chunks import MAX_CHUNK_BYTES, reduction
from master.target.sessions.keys import SessionKeys
from master.target.sessions.master_key import open_master_key
from master.target.sessions.messages import (
    ChunkProof,
    ChunkTotals,
    NewSession,
    Recovery,
    SessionInfo,
    SessionPage,
    SessionQuery,
    SessionStatistics,
    StoredChunk,
)
from master.target.sessions.processing import SessionProcessor
from master.target.sessions.proofs import prove
from master.target.sessions.recording import SessionRecorder
from master.target.sessions.states import SessionEvent, next_state
from master.target.sessions.storage import SessionStorage, StoredSession
from master.target.sessions.tallies import SessionTallies, Tally

_OWNERS = (Role.USER, Role.ADMIN)
_OCTETS = "application/octet-stream"
_RECOVERIES = {"processing": SessionEvent.RETRY, "recording": SessionEvent.REOPEN}


class Servers(Protocol):
    """What sessions need of the RDP servers."""

    async def create_for(self, owner: str, session_id: str, resolution: tuple[int, int]) -> str:
        """Have a server made for a session; its id. Raises ApiError if none can be had."""

    async def release(self, server_id: str) -> None:
        """The session of that server has ended."""


class SessionApi(Domain):
    """A user sees its own sessions, an administrator everybody's."""

    summary_types: ClassVar[dict[str, Any]] = {"sessions": dict[str, int], "chunks": ChunkTotals}

    def __init__(
        self,
        database: Database,
        pool: Executor,
        *,
        key_file: Path | None = None,
        anchors: Anchors | None = None,
        servers: Servers | None = None,
        max_sessions: int = 200_000,
        limits: ChunkLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._key_file = key_file
        self._keys = keys = SessionKeys()
        self._clock = clock
        self._servers = servers
        self._tallies = SessionTallies()
        self._sessions = SessionStorage(database, self._tallies, max_sessions)
        self._chunks = ChunkStorage(database, self._tallies, limits)
        self._recorder = SessionRecorder(self._chunks, keys, pool)
        self._processor = SessionProcessor(self._sessions, self._chunks, keys)
        self._anchoring = None if anchors is None else SessionAnchoring(self._sessions, anchors)

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        one, chunk = "/sessions/{id}", "/sessions/{id}/chunks/{n}"
        body = Binary(MAX_CHUNK_BYTES)
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
                errors=(409, 503),
                audited=True,
            ),
            Endpoint(
                "GET", "/sessions", self.list_own, "One's own", roles=_OWNERS, query=SessionQuery, reply=SessionPage
            ),
            Endpoint(
                "GET",
                "/sessions/statistics",
                self.statistics,
                "Sums over one's own sessions, for administrators over all",
                roles=_OWNERS,
                reply=SessionStatistics,
            ),
            Endpoint("GET", one, self.read, "Read a session", roles=_OWNERS, reply=SessionInfo),
            Endpoint(
                "POST",
                f"{one}/chunks",
                self.add_chunk,
                "Store the next chunk",
                roles=_OWNERS,
                body=body,
                reply=StoredChunk,
                status=201,
                errors=(409, 415),
            ),
            Endpoint(
                "PUT",
                chunk,
                self.put_chunk,
                "Store a chunk under its number",
                roles=_OWNERS,
                body=body,
                reply=StoredChunk,
                other_statuses=(201,),
                errors=(409, 415),
            ),
            Endpoint("GET", chunk, self.read_chunk, "The bytes that were recorded", roles=_OWNERS, reply=_OCTETS),
            Endpoint(
                "GET",
                f"{chunk}/proof",
                self.prove_chunk,
                "That a chunk belongs to its session",
                roles=_OWNERS,
                reply=ChunkProof,
                errors=(409,),
            ),
            self._step("close", self.close, "End recording and begin processing"),
            self._step("anchor", self.anchor, "Hand the root of a processed session to the chain", 503),
            self._step("recover", self.recover, "Take up a failed session again", body=Recovery),
        ]

    def _step(
        self,
        name: str,
        handler: Callable[[Call], Awaitable[SessionInfo]],
        summary: str,
        *statuses: int,
        body: type[Recovery] | None = None,
    ) -> Endpoint:
        return Endpoint(
            "POST",
            f"/sessions/{{id}}/{name}",
            handler,
            summary,
            roles=_OWNERS,
            body=body,
            reply=SessionInfo,
            errors=(409, *statuses),
            audited=True,
        )

    async def start(self) -> None:
        """As Domain. Raises MasterKeyError."""
        self._keys.use(await open_master_key(self._database, self._key_file))
        await self._sessions.open()
        await self._chunks.open()
        await self._processor.start()
        if self._anchoring is not None:
            await self._anchoring.start()

    async def stop(self) -> None:
        """As Domain."""
        if self._anchoring is not None:
            await self._anchoring.stop()
        await self._processor.stop()

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        text = "Sessions kept, by state"
        total = self._tallies.all()
        return [
            *(Gauge("target_sessions", text, count, {"state": state}) for state, count in self._by_state().items()),
            Gauge("target_sessions_processed", "Sessions processed so far", total.processed),
            Gauge("target_session_processing_seconds", "What processing them took in all", total.processing_s),
            Gauge("target_chunks", "Chunks so far", total.chunks),
            Gauge("target_chunk_raw_bytes", "Bytes of the chunks so far, as they were recorded", total.raw_bytes),
            Gauge("target_chunk_stored_bytes", "Bytes of the chunks so far, as they are stored", total.stored_bytes),
            Gauge("target_chunks_kept", "Chunks kept", self._chunks.kept),
            Gauge("target_chunk_bytes_kept", "Bytes of the chunks kept", self._chunks.kept_bytes),
        ]

    async def summary(self) -> dict[str, Any]:
        """As Domain: the sessions kept by state, and the chunks."""
        total, kept = self._tallies.all(), self._chunks
        chunks = ChunkTotals(total.chunks, total.raw_bytes, total.stored_bytes, kept.kept, kept.kept_bytes)
        return {"sessions": self._by_state(), "chunks": chunks}

    async def create(self, call: Call) -> SessionInfo:
        """The server comes first: without it there is no session that asked for one."""
        wanted: NewSession = call.body
        owner, session_id, server = call.caller.name, secrets.token_hex(8), None
        if wanted.server:
            if self._servers is None:
                raise errors.unavailable("no RDP servers here")
            server = await self._servers.create_for(owner, session_id, wanted.resolution)
        return await self._sessions.add(session_id, owner, wanted, server, self._clock())

    async def list_own(self, call: Call) -> SessionPage:
        """Newest first, in pages."""
        query: SessionQuery = call.query
        found = await self._sessions.page(call.caller.name, query.after, query.limit)
        following = found[-1][0] if len(found) == query.limit else None
        return SessionPage([session for _, session in found], following)

    async def statistics(self, call: Call) -> SessionStatistics:
        """The sums are kept up to date: this reads no table."""
        return _statistics(self._tallies.all() if call.caller.is_admin else self._tallies.of(call.caller.name))

    async def read(self, call: Call) -> SessionInfo:
        """One session."""
        _, session = await self._find(call)
        return session

    async def close(self, call: Call) -> SessionInfo:
        """The chunks are verified in the background."""
        session = await self._move(call, lambda stored: self._sessions.close(stored, self._clock()))
        self._processor.wake()
        if session.server is not None and self._servers is not None:
            await self._servers.release(session.server)
        return session

    async def anchor(self, call: Call) -> SessionInfo:
        """What the chain makes of it is watched in the background."""
        if self._anchoring is None:
            _, session = await self._find(call)
            next_state(session.state, SessionEvent.ANCHOR)
            raise errors.unavailable("no chain here")
        return await self._move(call, self._anchoring.submit)

    async def recover(self, call: Call) -> SessionInfo:
        """To process the chunks anew, or to have damaged ones sent anew."""
        event = _RECOVERIES[call.body.to]
        session = await self._move(call, lambda stored: self._sessions.move(stored, event))
        self._processor.wake()
        return session

    async def add_chunk(self, call: Call) -> StoredChunk:
        """The body is compressed, unless it came so, encrypted, and stored under the next number."""
        return await self._recorder.append(lambda: self._find(call), call.body, _encoding(call))

    async def put_chunk(self, call: Call) -> StoredChunk | Answer:
        """Sent again, it makes no second one: a chunk whose answer was lost can be repeated, and a damaged one replaced."""
        chunk, new = await self._recorder.put(lambda: self._find(call), _number(call), call.body, _encoding(call))
        return Answer(201, chunk) if new else chunk

    async def read_chunk(self, call: Call) -> Response:
        """The bytes that were sent."""
        raw = await self._recorder.read(await self._find(call), _number(call))
        return Response(raw, media_type=_OCTETS)

    async def prove_chunk(self, call: Call) -> ChunkProof:
        """By the tree whose root is anchored in the chain."""
        return await prove(self._chunks, await self._find(call), _number(call))

    def _by_state(self) -> dict[str, int]:
        return {state.value: count for state, count in self._tallies.kept.by_state.items()}

    async def _find(self, call: Call) -> StoredSession:
        found = await self._sessions.find(call.path["id"])
        # Another's session is not told apart from one that does not exist, so that nobody can probe for them.
        if found is None or not (call.caller.is_admin or found[1].owner == call.caller.name):
            raise errors.not_found("session")
        return found

    async def _move(self, call: Call, change: Callable[[StoredSession], Awaitable[SessionInfo | None]]) -> SessionInfo:
        while True:
            session = await change(await self._find(call))
            if session is not None:
                return session
            # Another request was faster: what this one may do is decided anew.


def _number(call: Call) -> int:
    number = call.path["n"]
    # Nine digits are more than any session has chunks, and less than a database's integers hold.
    if number.isascii() and number.isdigit() and len(number) <= 9:
        return int(number)
    raise errors.not_found("chunk")


def _encoding(call: Call) -> str:
    encoding: str = call.request.headers.get("content-encoding", "identity")
    return encoding


def _statistics(tally: Tally) -> SessionStatistics:
    return SessionStatistics(
        tally.sessions,
        {state.value: count for state, count in tally.by_state.items()},
        tally.chunks,
        tally.raw_bytes,
        tally.stored_bytes,
        reduction(tally.raw_bytes, tally.stored_bytes),
        tally.processing_s / tally.processed if tally.processed else None,
    )
