"""What every request goes through: is it meant for this server, is somebody signed in, does a change come from the page itself."""

from __future__ import annotations

import secrets
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from master.web.safety.headers import headers_of
from master.web.safety.hosts import is_strangers_fetch
from master.web.safety.sessions import Session, Sessions, same
from master.web.serve.settings import ServeSettings

OPEN_PATHS = frozenset({"/login", "/api/login", "/health", "/metrics"})
"""Seen without a login; `/metrics` asks for one itself, since Prometheus has no session."""
OPEN_FILES = ("/static/login.js", "/static/page.css", "/static/icon.svg")


class Guard:
    """Middleware around the whole application. Sets `scope["session"]`."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, sessions: Sessions) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions
        self._local = Session("local", secrets.token_urlsafe(32), float("inf"))
        """Of everybody, where nobody has to sign in."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]
        safe = headers_of(path, tls=self._settings.tls)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(safe)
            await send(message)

        refusal = self._refusal(scope, headers, path)
        await (self._app if refusal is None else refusal)(scope, receive, send_safely)

    def _refusal(self, scope: Scope, headers: Headers, path: str) -> Response | None:
        names, host = self._settings.names, headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not names.is_own_host(host):
            return _refused(421, "this server has another name", "Ask for localhost, or start it with --name.")
        session = self._session(scope)
        scope["session"] = session
        reads = scope["method"] in {"GET", "HEAD"}
        strange = is_strangers_fetch(path, headers.get("sec-fetch-site"), headers.get("sec-fetch-mode"))
        if strange or (not reads and not names.is_own_origin(headers.get("origin"), host)):
            return _refused(403, "the request comes from another page")
        if session is None:
            if path in OPEN_PATHS or path in OPEN_FILES:
                return None
            return (
                RedirectResponse("/login", 303)
                if reads and not path.startswith("/api/")
                else _refused(401, "sign in first")
            )
        if not reads and path != "/api/login" and not same(headers.get("x-csrf-token", ""), session.csrf):
            return _refused(403, "the page is too old: load it again")
        return None

    def _session(self, scope: Scope) -> Session | None:
        if self._settings.accounts is None:
            return self._local
        token = HTTPConnection(scope).cookies.get(cookie_name(tls=self._settings.tls), "")
        return self._sessions.find(token, time.monotonic())


def cookie_name(*, tls: bool) -> str:
    """With the prefix that keeps other hosts from setting it (RFC 6265bis, 4.1.3), where browsers allow that."""
    return "__Host-piswarm" if tls else "piswarm"


def _refused(status: int, why: str, hint: str = "") -> Response:
    content: dict[str, Any] = {"error": why, "hint": hint}
    return JSONResponse(content, status)
