"""The users that have sessions: what all of them do with one, and those that stream their desktop."""

from __future__ import annotations

from collections import deque
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from worker.users.lucid import replies, screen_chunks
from worker.users.lucid.base import SignedInUser
from worker.users.lucid.merkle_proof import root_of

_MAX_CLOSED = 4
"""With more closed sessions than this a user opens none before it has looked after them."""
_AFTER = {
    "processing": {"processing", "processed"},
    "processed": {"anchoring", "anchored"},
    # The chain may refuse the transaction, with the pool full; then the session waits for another try.
    "anchoring": {"anchoring", "anchored", "processed"},
}
"""What may have become of a closed session since its state was this."""
_RESOLUTIONS = ((1280, 720), (1920, 1080), (2560, 1440))


class SessionHolder(SignedInUser):
    """A user that has at most one open session at a time."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.session: replies.SessionReply | None = None

    def open_session(self) -> None:
        """Create a session and keep it."""
        wanted = {"resolution": self.random.choice(_RESOLUTIONS)}
        self.session = self.call(
            "POST",
            "/sessions",
            replies.SessionReply,
            body=wanted,
            expected=(201,),
            check=lambda new: new.state == "created",
        )

    def read_session(self, session: replies.SessionReply) -> None:
        """Read its state, which must be what this user made it; let go of a session that is lost."""
        self.session = self.call(
            "GET",
            f"/sessions/{session.id}",
            replies.SessionReply,
            name="/sessions/[id]",
            check=lambda read: (
                (read.id, read.chunks, read.raw_bytes) == (session.id, session.chunks, session.raw_bytes)
            ),
        )

    def close_session(self, session: replies.SessionReply) -> replies.SessionReply | None:
        """Close it, so that the target processes it; the totals must be this user's own."""
        self.session = None
        return self.call(
            "POST",
            f"/sessions/{session.id}/close",
            replies.SessionReply,
            name="/sessions/[id]/close",
            check=lambda closed: (closed.state, closed.raw_bytes) == ("processing", session.raw_bytes),
        )


class _Closed(NamedTuple):
    """A session that was closed: its state when it was last looked at, and the Merkle root that it must have."""

    id: str
    state: str
    root: str


@cache
def _digest(chunk: bytes) -> bytes:
    return sha256(chunk).digest()


class SessionUser(SessionHolder):
    """Streams its desktop: creates a session, sends chunks, looks at it, reads a chunk back, closes it, starts over.

    Beside that it looks after the sessions that it has closed: once one is processed, and its Merkle root is that over the chunks
    that were sent, it is anchored, and looked at until the anchor is final.
    """

    wait_s = (2.0, 5.0)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._sent: list[bytes] = []
        self._chunks_planned = 0
        self._closed: deque[_Closed] = deque()

    def work(self) -> None:
        """The next step of the session's life, or a look after one that is closed."""
        if self._closed and (len(self._closed) > _MAX_CLOSED or self.random.random() < 0.25):
            self._look_after(self._closed.popleft())
        elif self.session is None:
            self._sent = []
            self._chunks_planned = self.random.randint(5, 20)
            self.open_session()
        elif len(self._sent) >= self._chunks_planned:
            closed = self.close_session(self.session)
            if closed is not None:
                self._closed.append(_Closed(closed.id, closed.state, root_of(map(_digest, self._sent)).hex()))
        else:
            drawn = self.random.random()
            if drawn < 0.7 or not self._sent:
                self._send_chunk(self.session)
            elif drawn < 0.85:
                self.read_session(self.session)
            else:
                self._read_chunk(self.session)

    def _send_chunk(self, session: replies.SessionReply) -> None:
        chunk = self.random.choice(screen_chunks.chunks())
        stored = self.call(
            "POST",
            f"/sessions/{session.id}/chunks",
            replies.StoredChunkReply,
            name="/sessions/[id]/chunks",
            body=chunk,
            expected=(201,),
            check=lambda stored: (stored.sequence, stored.raw_bytes) == (session.chunks, len(chunk)),
        )
        if stored is None:
            self.session = None  # nobody knows whether the chunk arrived: what follows could not be checked
            return
        self._sent.append(chunk)
        session.chunks += 1
        session.raw_bytes += len(chunk)

    def _look_after(self, closed: _Closed) -> None:
        """Have it anchored, or look how it stands; what is anchored, or lost, needs no more looks."""
        path = f"/sessions/{closed.id}"
        if closed.state == "processed":
            found = self.call(
                "POST",
                f"{path}/anchor",
                replies.SessionReply,
                name="/sessions/[id]/anchor",
                check=lambda session: (session.id, session.root) == (closed.id, closed.root),
            )
        else:
            found = self.call(
                "GET",
                path,
                replies.SessionReply,
                name="/sessions/[id]",
                check=lambda session: session.state in _AFTER[closed.state] and session.root in {closed.root, None},
            )
        if found is not None and found.state != "anchored":
            self._closed.append(closed._replace(state=found.state))

    def _read_chunk(self, session: replies.SessionReply) -> None:
        number = self.random.randrange(len(self._sent))
        chunk = self.call(
            "GET",
            f"/sessions/{session.id}/chunks/{number}",
            bytes,
            name="/sessions/[id]/chunks/[n]",
            check=lambda read: read == self._sent[number],
        )
        if chunk is None:
            self.session = None


class StreamingUser(SessionUser):
    """A session user whose screen changes all the time: ten steps a second."""

    wait_s = (0.05, 0.15)
