"""Anchoring: a processed session's root is handed to the chain, and the session is anchored once the chain has it for good."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

import msgspec

from master.target.api import errors
from master.target.sessions.messages import SessionInfo
from master.target.sessions.states import SessionEvent, State
from master.target.sessions.storage import SessionStorage, StoredSession

KIND = "anchor"
"""The kind of the transactions."""
POLL_S = 0.5  # a block comes every 10 s
_SESSIONS_AT_ONCE = 16  # a millisecond, until others have their turn

_log = logging.getLogger("master.target")


class Anchors(Protocol):
    """What sessions need of the chain."""

    @property
    def height(self) -> int:
        """That of the last final block. As long as it stays, no further transaction becomes final."""

    async def submit(self, kind: str, payload: bytes, sender: str) -> str:
        """Hand in a transaction; its id. Raises ApiError if the chain takes none."""

    async def final(self, transaction_id: str) -> int | None:
        """The height of the block that holds it for good; None for now. Raises KeyError if the chain does not know it."""


class SessionAnchor(msgspec.Struct):
    """The payload of the transaction, as JSON: what anybody needs to check a session's chunks against the chain."""

    session: str
    root: str
    chunks: int


class SessionAnchoring:
    """Moves sessions on from `anchoring`, in a task of the loop."""

    def __init__(self, sessions: SessionStorage, anchors: Anchors) -> None:
        self._sessions = sessions
        self._anchors = anchors
        self._seen_height: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with what an earlier process has left."""
        self._task = asyncio.create_task(self._run(await self._not_handed_in()), name="session anchoring")

    async def stop(self) -> None:
        """Stop; what is not final yet is taken up at the next start."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def submit(self, stored: StoredSession) -> SessionInfo | None:
        """The session, handed to the chain; None if it is no more in the state that `stored` has. Raises ApiError."""
        session = await self._sessions.move(stored, SessionEvent.ANCHOR)
        if session is not None:
            session.anchor = await self._hand_in_or_refuse((stored[0], session))
        return session

    async def _run(self, left: list[StoredSession]) -> None:
        while True:
            try:
                while left:
                    with suppress(errors.ApiError):
                        await self._hand_in_or_refuse(left[-1])
                    left.pop()
                height = self._anchors.height
                if height != self._seen_height:
                    await self._look()
                    self._seen_height = height
            except Exception:  # noqa: BLE001  # the task must not end
                # The database is away. Until it is back, what is `anchoring` stays so.
                _log.exception("anchoring of sessions goes on in %s s", POLL_S)
            await asyncio.sleep(POLL_S)

    async def _not_handed_in(self) -> list[StoredSession]:
        """Sessions that a process killed just then has moved on and not handed in."""
        left, last = [], 0
        while found := await self._sessions.in_work(State.ANCHORING, last, _SESSIONS_AT_ONCE):
            left += [stored for stored in found if stored[1].anchor is None]
            last = found[-1][0]
        return left

    async def _look(self) -> None:
        """Move on the sessions whose transactions are final, or lost."""
        last = 0
        while found := await self._sessions.in_work(State.ANCHORING, last, _SESSIONS_AT_ONCE):
            for stored in found:
                last, session = stored
                if session.anchor is None:  # being handed in
                    continue
                try:
                    height = await self._anchors.final(session.anchor)
                except (KeyError, ValueError):  # it is no id at all
                    await self._sessions.fail(stored, f"transaction {session.anchor} is not known to the chain")
                    continue
                if height is not None:
                    await self._sessions.finalize(stored, height)
            await asyncio.sleep(0)  # others have their turn

    async def _hand_in_or_refuse(self, moved: StoredSession) -> str:
        try:
            return await self._hand_in(moved)
        except Exception:
            await self._sessions.move(moved, SessionEvent.REFUSE)
            raise

    async def _hand_in(self, stored: StoredSession) -> str:
        serial, session = stored
        assert session.root is not None
        payload = msgspec.json.encode(SessionAnchor(session.id, session.root, session.chunks))
        anchor = await self._anchors.submit(KIND, payload, session.owner)
        await self._sessions.set_anchor(serial, anchor)
        return anchor
