"""The users that browse the gateway."""

from __future__ import annotations

from worker.users.lucid import replies
from worker.users.lucid.session_user import SessionHolder


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
