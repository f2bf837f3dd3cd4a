"""The users of each area's load, a Locust file that `piswarm run` is given: as fast as they are answered, unless it says otherwise."""

from __future__ import annotations

from typing import ClassVar

from locust import constant, constant_pacing, task

from worker.http import HttpUser
from worker.users.lucid.api_user import ApiUser
from worker.users.lucid.base import SignedInUser
from worker.users.lucid.session_user import SessionHolder


class HealthVisitor(HttpUser):
    """Asks for the gateway's health."""

    wait_time = constant(0)

    @task
    def health(self) -> None:
        """One look."""
        self.client.get("/health")


class CrowdVisitor(HttpUser):
    """One of 500 that look at the gateway, four times a second each."""

    wait_time = constant_pacing(0.25)

    @task
    def health(self) -> None:
        """One look."""
        self.client.get("/health")


class SigningIn(SignedInUser):
    """Signs in again and again."""

    wait_s: ClassVar[tuple[float, float]] = (0.0, 0.0)

    def work(self) -> None:
        """One sign-in."""
        self.sign_in()


class Streaming(SessionHolder):
    """Creates a session, looks at it, closes it, starts over."""

    wait_s: ClassVar[tuple[float, float]] = (0.0, 0.0)

    def work(self) -> None:
        """The next step."""
        if self.session is None:
            self.open_session()
        elif self.random.random() < 0.7:
            self.read_session(self.session)
        else:
            self.close_session(self.session)


class Mixed(ApiUser):
    """A gateway's visitor in a hurry."""

    wait_s: ClassVar[tuple[float, float]] = (0.0, 0.02)
