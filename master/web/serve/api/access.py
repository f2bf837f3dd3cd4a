"""Signing in and out, and what the page may do."""

from __future__ import annotations

import asyncio
import base64
import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from master.errors import InputError
from master.web.safety.sessions import SESSION_S, Sessions, TryLimit
from master.web.serve.api.answers import answer, read_body, refusal, told
from master.web.serve.guard import cookie_name
from master.web.serve.settings import ServeSettings
from worker import __version__

HASHES_AT_ONCE = 2
"""Each takes 64 MiB and a core."""


class _Login(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    password: str


class AccessApi:
    """The endpoints."""

    def __init__(self, settings: ServeSettings, sessions: Sessions) -> None:
        self._settings = settings
        self._sessions = sessions
        self._tries = TryLimit()
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/login", told(self.login), methods=["POST"]),
            Route("/api/logout", told(self.logout), methods=["POST"]),
            Route("/api/session", told(self.session)),
        ]

    async def login(self, request: Request) -> Response:
        """Sign in: the session's cookie, where name and password are right."""
        if self._settings.accounts is None:
            return refusal(404, "nobody has to sign in here")
        try:
            asked = msgspec.json.decode(await read_body(request), type=_Login)
        except msgspec.MsgspecError:
            raise InputError("no name and password") from None
        wait_s = await self._is_right(request, asked.name, asked.password)
        if wait_s is None:
            return refusal(401, "name or password is wrong")
        if wait_s:
            found = refusal(429, f"too many wrong passwords: wait {wait_s:.0f} s")
            found.headers["Retry-After"] = str(int(wait_s) + 1)
            return found
        token = self._sessions.begin(asked.name, time.monotonic())
        found = answer({})
        found.set_cookie(
            cookie_name(tls=self._settings.tls),
            token,
            max_age=int(SESSION_S),
            secure=self._settings.tls,
            httponly=True,
            samesite="strict",
        )
        return found

    async def basic_is_right(self, request: Request) -> bool:
        """Whether a request has name and password of an account with it (RFC 7617), as a program that scrapes does."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if self._settings.accounts is None or kind.lower() != "basic":
            return False
        try:
            text = base64.b64decode(given, validate=True).decode()
        except ValueError:
            return False
        name, _, password = text.partition(":")
        return await self._is_right(request, name, password) == 0

    async def _is_right(self, request: Request, name: str, password: str) -> float | None:
        """0 where name and password are right, None where they are not, else how long to wait before it is looked at."""
        assert self._settings.accounts is not None
        address = "" if request.client is None else request.client.host
        wait_s = self._tries.wait_s(address, time.monotonic())
        if wait_s:
            return wait_s
        # Noted before it is looked at, so that many at once are no more tries than one after the other.
        self._tries.note_wrong(address, time.monotonic())
        async with self._hashing:
            right = await asyncio.to_thread(self._settings.accounts.is_right, name, password)
        if not right:
            return None
        self._tries.note_right(address)
        return 0.0

    async def logout(self, request: Request) -> Response:
        """The session is over."""
        name = cookie_name(tls=self._settings.tls)
        self._sessions.end(request.cookies.get(name, ""))
        found = answer({})
        found.delete_cookie(name, secure=self._settings.tls, httponly=True, samesite="strict")
        return found

    async def session(self, request: Request) -> Response:
        """Who is signed in, what may be done, and the token that goes with each change."""
        session = request.scope["session"]
        return answer(
            {
                "name": session.name if self._settings.accounts is not None else None,
                "csrf": session.csrf,
                "control": self._settings.control,
                "version": __version__,
            }
        )
