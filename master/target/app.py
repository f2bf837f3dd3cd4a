"""The API as one ASGI application: Starlette's router, and around it the one place where every request is counted.

Errors become answers there, too, inside the count: Starlette answers what nobody foresaw outside of all middleware, and then
raises it again, upon which the server hangs up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from time import perf_counter

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from . import __version__, errors
from .auth import AuthApi, Authority
from .bodies import JsonResponse, error_response
from .messages import Health, Role, Statistics
from .metrics import Metrics, RequestCount
from .nodes import NodeApi
from .sessions import SessionApi
from .storage import TargetStorage

CLIENT_GONE = 499  # nginx's status for a request whose client hung up before it was answered
UNMATCHED = "unmatched"  # the label of requests for paths that do not exist

_log = logging.getLogger("master.target")


class Gateway:
    """The target's ASGI application."""

    def __init__(
        self, authority: Authority, storage: TargetStorage, pool: Executor, *, clock: Callable[[], float] = time.time
    ) -> None:
        auth = AuthApi(authority, pool)
        sessions = SessionApi(authority, storage, pool, clock=clock)
        self._authority = authority
        self._storage = storage
        self._nodes = nodes = NodeApi(authority, storage, clock=clock)
        self._started = time.monotonic()
        self.requests = RequestCount()
        self._metrics = Metrics(self.requests, self._statistics)
        # The router tries one after the other: what the load profiles ask for most comes first.
        routes = [
            Route("/sessions", sessions.list_own),
            Route("/sessions/{id}", sessions.read),
            Route("/sessions/{id}/chunks", sessions.add_chunk, methods=["POST"]),
            Route("/sessions", sessions.create, methods=["POST"]),
            Route("/sessions/{id}/close", sessions.close, methods=["POST"]),
            Route("/auth/me", auth.me),
            Route("/auth/login", auth.login, methods=["POST"]),
            Route("/health", self._health),
            Route("/nodes", nodes.list_all),
            Route("/nodes/{name}/heartbeat", nodes.heartbeat, methods=["POST"]),
            Route("/sessions/{id}/chunks/{n}", sessions.read_chunk),
            Route("/nodes", nodes.register, methods=["POST"]),
            Route("/nodes/{name}", nodes.read),
            Route("/admin/statistics", self._admin_statistics),
            Route("/metrics", self._exposition),
            Route("/", self._index),
        ]
        self._router = Router(routes, redirect_slashes=False)
        self._labels = {route.path: route.path.replace("{", "[").replace("}", "]") for route in routes}
        self._methods: dict[str, list[str]] = {}
        for route in routes:
            label = self._labels[route.path]
            self._methods[label] = sorted({*self._methods.get(label, ()), *(route.methods or ())})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and count it, whatever becomes of it."""
        started = perf_counter()
        answered = False

        async def send_counted(message: Message) -> None:
            nonlocal answered
            if not answered:
                answered = True
                self._count(scope, message["status"], started)
            await send(message)

        scope["app"] = self  # has the router raise its 404 and 405 instead of answering them in plain text
        try:
            await self._router(scope, receive, send_counted)
        except ClientDisconnect:
            self._count(scope, CLIENT_GONE, started)
        except Exception as error:
            if answered:
                raise
            response = error_response(self._api_error(error, scope))
            await response(scope, receive, send_counted)

    def _count(self, scope: Scope, status: int, started: float) -> None:
        self.requests.add(scope["method"], self._label(scope), status, perf_counter() - started)

    def _label(self, scope: Scope) -> str:
        return self._labels[scope["route"].path] if "route" in scope else UNMATCHED

    def _api_error(self, error: Exception, scope: Scope) -> errors.ApiError:
        if isinstance(error, errors.ApiError):
            return error
        label = self._label(scope)
        if isinstance(error, HTTPException):  # the router's own
            return errors.not_found("path") if label == UNMATCHED else errors.method_not_allowed(self._methods[label])
        _log.error("%s %s failed", scope["method"], label, exc_info=error)
        return errors.internal()

    async def _index(self, _request: Request) -> Response:
        return JsonResponse({"name": "piswarm target", "version": __version__, "paths": self._methods})

    async def _health(self, _request: Request) -> Response:
        return JsonResponse(Health("ok", round(time.monotonic() - self._started, 3), __version__))

    async def _exposition(self, _request: Request) -> Response:
        return Response(self._metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _admin_statistics(self, request: Request) -> Response:
        self._authority.caller(request, Role.ADMIN)
        return JsonResponse(self._statistics())

    def _statistics(self) -> Statistics:
        return Statistics(self._storage.sessions_by_state, self._storage.chunk_totals(), self._nodes.totals())
