"""The users that keep the gateway busy: short pauses, so that its throughput is measured, and not the pauses of people."""

from __future__ import annotations

from typing import Any

from locust import task

from worker.users.lucid.base import LucidUser, SignedInUser
from worker.users.lucid.session_user import SessionHolder


class HealthUser(LucidUser):
    """Asks for the gateway's health ten times a second, without an account, as a load balancer does."""

    def wait_time(self) -> float:
        """Seconds to pause now."""
        return 0.1

    @task
    def act(self) -> None:
        """One check."""
        self.look_at_health()


class AuthUser(SignedInUser):
    """Shows its token again and again, and signs in anew now and then."""

    wait_s = (0.05, 0.15)

    def work(self) -> None:
        """One look at who it is; now and then new tokens, and once in 500 times a sign-in, whose hash is meant to cost much."""
        (step,) = self.random.choices((self.look_at_itself, self.refresh, self.sign_in), (474, 25, 1))
        step()


class SessionApiUser(SessionHolder):
    """Keeps one session after the other, and looks at it all the time."""

    wait_s = (0.05, 0.15)

    def work(self) -> None:
        """A look at its session, or its list of sessions; now and then the session is closed, and another opened."""
        if self.session is None:
            self.open_session()
            return
        (step,) = self.random.choices(("read", "list", "close"), (17, 2, 1))
        if step == "read":
            self.read_session(self.session)
        elif step == "list":
            self.list_sessions()
        else:
            self.close_session(self.session)


class GatewayUser(SignedInUser):
    """Nearly six requests a second: mostly health, and reads of a signed-in user."""

    wait_s = (0.14, 0.21)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._looks = (self.look_at_health, self.look_at_itself, self.list_sessions, self.list_nodes)

    def work(self) -> None:
        """One look."""
        (look,) = self.random.choices(self._looks, (16, 2, 1, 1))
        look()
