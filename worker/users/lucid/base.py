"""The ground all users stand on: their time limits, and what a signed-in user does over and over."""

from __future__ import annotations

import time
from typing import Any, ClassVar, TypeVar

import msgspec
from locust import task

from worker import http
from worker.users.lucid import replies
from worker.users.lucid.accounts import USERS, AccountBook, AccountPool, password, user_random
from worker.users.lucid.replies import Check, WrongReplyError

T = TypeVar("T")

_book = AccountBook()
# The share of a token's life after which a user signs in anew, so as never to be caught with an expired one.
_RENEW_AT = 0.9


class LucidUser(http.HttpUser):
    """The one place that decides how patient all users are. Timeouts in seconds."""

    abstract = True
    connection_timeout = 5.0
    network_timeout = 30.0

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._headers: dict[str, str] = {}

    def call(
        self,
        method: str,
        path: str,
        reply: type[T],
        *,
        name: str | None = None,
        body: bytes | dict[str, Any] | None = None,
        expected: tuple[int, ...] = (200,),
        check: Check[T] | None = None,
    ) -> T | None:
        """One request, counted under `name`: its answer as a `reply`, or None after a failure, which is counted too.

        A failure is: no answer, another status than `expected`, a body that is no `reply`, or one that `check` refuses.
        """
        headers = self._headers
        if isinstance(body, dict):
            body = msgspec.json.encode(body)
            headers = {**headers, "Content-Type": "application/json"}
        with self.client.request(
            method, path, name=name or path, headers=headers, data=body, catch_response=True
        ) as response:
            status = response.status_code
            if response.content is None:
                return None  # the failure, which the response knows, is counted
            try:
                found = replies.read(status, response.content, expected, reply, check)
            except WrongReplyError as error:
                response.failure(str(error))
                if status == 401:
                    self._headers = {}
                return None
            if status >= 400:
                response.success()  # it was expected
            return found

    def look_at_health(self) -> None:
        """GET /health."""
        self.call("GET", "/health", replies.HealthReply, check=lambda health: health.status == "ok")


class SignedInUser(LucidUser):
    """A user with an account of its own in `pool`, that pauses `wait_s` seconds (from, to) between tasks.

    One task is mostly one request. It signs in at start; if that fails, or its token is refused, it tries again instead of
    its next task. A token that is about to expire is refreshed. All its choices and pauses come from its own `random`, so a run can be repeated.
    """

    abstract = True
    needs_target_password: ClassVar[bool] = True
    """Tells the controller to warn where there is no password to sign in with."""
    pool: ClassVar[AccountPool] = USERS
    wait_s: ClassVar[tuple[float, float]] = (1.0, 3.0)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        number = _book.next_number(environment, self.pool)
        self.random = user_random(environment, type(self).__name__, number)
        self.username = self.pool.name(number)
        self._renew_at_s = 0.0
        self._refresh_token = ""

    def on_start(self) -> None:
        """Sign in."""
        self.sign_in()

    def wait_time(self) -> float:
        """Seconds to pause now."""
        return self.random.uniform(*self.wait_s)

    @task
    def act(self) -> None:
        """One task: the next thing this user does, or another try to sign in, or a new token in time."""
        if not self._headers:
            self.sign_in()
        elif time.monotonic() < self._renew_at_s:
            self.work()
        else:
            self.refresh()

    def work(self) -> None:
        """What a signed-in user does in one task."""
        raise NotImplementedError

    def sign_in(self) -> None:
        """POST /auth/login; a failure is counted and leaves the user signed out."""
        self._headers = {}
        credentials = {"username": self.username, "password": password(self.environment)}
        self._take_token(self.call("POST", "/auth/login", replies.TokenReply, body=credentials))

    def refresh(self) -> None:
        """POST /auth/refresh: a new pair of tokens for the one that this user has; a failure leaves it signed out."""
        self._headers = {}
        self._take_token(
            self.call("POST", "/auth/refresh", replies.TokenReply, body={"refresh_token": self._refresh_token})
        )

    def _take_token(self, token: replies.TokenReply | None) -> None:
        if token is not None:
            self._headers = {"Authorization": f"Bearer {token.token}"}
            self._renew_at_s = time.monotonic() + _RENEW_AT * token.expires_in_s
            self._refresh_token = token.refresh_token

    def look_at_itself(self) -> None:
        """GET /auth/me."""
        self.call("GET", "/auth/me", replies.MeReply, check=lambda me: me.username == self.username)

    def list_sessions(self) -> None:
        """GET /sessions: its newest ones."""
        self.call(
            "GET",
            "/sessions?limit=10",
            replies.SessionPageReply,
            name="/sessions",
            check=lambda page: len(page.sessions) <= 10,
        )

    def list_nodes(self) -> None:
        """GET /nodes: the first ones."""
        self.call(
            "GET", "/nodes?limit=10", replies.NodePageReply, name="/nodes", check=lambda page: len(page.nodes) <= 10
        )
