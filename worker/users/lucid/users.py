"""The users of a remote-desktop platform: they browse the gateway, stream sessions, administer, and report as nodes."""

from __future__ import annotations

from typing import Any

from worker.users.lucid import replies, screen_chunks
from worker.users.lucid.accounts import ADMINS, NODES
from worker.users.lucid.base import SignedInUser

_RESOLUTIONS = ((1280, 720), (1920, 1080), (2560, 1440))
_MODELS = (("Raspberry Pi 4 Model B", 4096), ("Raspberry Pi 5", 8192))


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

    def close_session(self, session: replies.SessionReply) -> None:
        """Close it; the totals must be this user's own."""
        self.session = None
        self.call(
            "POST",
            f"/sessions/{session.id}/close",
            replies.SessionReply,
            name="/sessions/[id]/close",
            check=lambda closed: (closed.state, closed.raw_bytes) == ("closed", session.raw_bytes),
        )


class ApiUser(SessionHolder):
    """Browses the gateway: mostly reads, and now and then a session is created, looked at and closed.

    In a twelfth of its steps it signs in anew, so that sign-ins occur throughout a run. Its session belongs to the account
    and outlives the token, so it goes on where it was.
    """

    wait_s = (1.0, 3.0)

    def work(self) -> None:
        """One look around, one step with its session, or a new sign-in."""
        (step,) = self.random.choices(
            (self._health, self._me, self._sessions, self._nodes, self._session, self.sign_in), (1, 2, 3, 1, 4, 1)
        )
        step()

    def _health(self) -> None:
        self.call("GET", "/health", replies.HealthReply, check=lambda health: health.status == "ok")

    def _me(self) -> None:
        self.call("GET", "/auth/me", replies.MeReply, check=lambda me: me.username == self.username)

    def _sessions(self) -> None:
        self.call(
            "GET",
            "/sessions?limit=10",
            replies.SessionPageReply,
            name="/sessions",
            check=lambda page: len(page.sessions) <= 10,
        )

    def _nodes(self) -> None:
        self.call(
            "GET", "/nodes?limit=10", replies.NodePageReply, name="/nodes", check=lambda page: len(page.nodes) <= 10
        )

    def _session(self) -> None:
        if self.session is None:
            self.open_session()
        elif self.random.random() < 0.6:
            self.read_session(self.session)
        else:
            self.close_session(self.session)


class SessionUser(SessionHolder):
    """Streams its desktop: creates a session, sends chunks, looks at it, reads a chunk back, closes it, starts over."""

    wait_s = (2.0, 5.0)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._sent: list[bytes] = []
        self._chunks_planned = 0

    def work(self) -> None:
        """The next step of the session's life."""
        if self.session is None:
            self._sent = []
            self._chunks_planned = self.random.randint(5, 20)
            self.open_session()
        elif len(self._sent) >= self._chunks_planned:
            self.close_session(self.session)
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


class AdminUser(SignedInUser):
    """Looks at the statistics, and at the nodes now and then."""

    wait_s = (10.0, 30.0)
    pool = ADMINS

    def work(self) -> None:
        """One look."""
        if self.random.random() < 0.7:
            self.call("GET", "/admin/statistics", replies.StatisticsReply, check=lambda read: "total" in read.nodes)
        else:
            self.call("GET", "/nodes?limit=100", replies.NodePageReply, name="/nodes")


class NodeUser(SignedInUser):
    """A node of the platform: it registers once, then reports how it is, and sometimes looks at its neighbours."""

    wait_s = (5.0, 10.0)
    pool = NODES

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._registered = False

    def work(self) -> None:
        """Register, or report, or look around."""
        if not self._registered:
            self._register()
        elif self.random.random() < 0.85:
            self._report()
        else:
            self.call(
                "GET", "/nodes?limit=20", replies.NodePageReply, name="/nodes", check=lambda page: bool(page.nodes)
            )

    def _register(self) -> None:
        model, memory_mb = self.random.choice(_MODELS)
        node = {"name": self.username, "model": model, "cpu_count": 4, "memory_mb": memory_mb}
        registered = self.call(
            "POST",
            "/nodes",
            replies.NodeReply,
            body=node,
            expected=(201, 200),
            check=lambda node: node.name == self.username,
        )
        self._registered = registered is not None

    def _report(self) -> None:
        heartbeat = {
            "cpu_percent": round(self.random.uniform(5, 95), 1),
            "memory_percent": round(self.random.uniform(20, 80), 1),
            "temperature_c": round(self.random.uniform(40, 80), 1),
        }
        reported = self.call(
            "POST",
            f"/nodes/{self.username}/heartbeat",
            replies.NodeReply,
            name="/nodes/[name]/heartbeat",
            body=heartbeat,
            check=lambda node: (node.name, node.heartbeats > 0) == (self.username, True),
        )
        self._registered = reported is not None  # a target that began anew knows the node no more
