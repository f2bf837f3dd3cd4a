"""The users that browse the gateway."""

from __future__ import annotations

from worker.users.lucid.session_user import SessionHolder


class ApiUser(SessionHolder):
    """Browses the gateway: mostly reads, and now and then a session is created, looked at and closed.

    In a twelfth of its steps it signs in anew, or has its tokens refreshed, so that these occur throughout a run. Its session
    belongs to the account and outlives the token, so it goes on where it was.
    """

    wait_s = (1.0, 3.0)

    def work(self) -> None:
        """One look around, one step with its session, or new tokens."""
        (step,) = self.random.choices(
            (
                self.look_at_health,
                self.look_at_itself,
                self.list_sessions,
                self.list_nodes,
                self._session,
                self.sign_in,
                self.refresh,
            ),
            (2, 4, 6, 2, 8, 1, 1),
        )
        step()

    def _session(self) -> None:
        if self.session is None:
            self.open_session()
        elif self.random.random() < 0.6:
            self.read_session(self.session)
        else:
            self.close_session(self.session)
