"""The API as one ASGI application, and around it the one place where every request is authorized, validated and counted.

Errors become answers there, too, inside the count.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Protocol

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from master.target import __version__
from master.target.api import errors
from master.target.api.bodies import BodyBudget, JsonResponse, error_response, read_body, read_headers, read_query
from master.target.api.caller import Caller
from master.target.api.domain import Domain
from master.target.api.endpoint import Answer, Call, Endpoint
from master.target.api.messages import Health, Index
from master.target.api.metrics import Gauge, Metrics, RequestCount
from master.target.api.openapi import describe
from master.target.api.router import Router, allowed_methods, choose
from master.target.database.database import DatabaseError

NAME = "piswarm target"
CLIENT_GONE = 499  # nginx's status for a request whose client hung up before it was answered
UNMATCHED = "unmatched"  # the label of requests for paths that do not exist
_NO_STORE = (b"cache-control", b"no-store")
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"

_log = logging.getLogger("master.target")

Authenticate = Callable[[Request], Caller]
"""Who sends a request. Raises ApiError 401 without a valid token."""
Audit = Callable[[str, str, str, int], Awaitable[None]]
"""Notes who did what, on which path, with which status: account, method and template, path, status."""


class Limits(Protocol):
    """How many requests a caller may make."""

    def take(self, caller: str) -> Sequence[tuple[bytes, bytes]]:
        """Count one; headers that say how many are left. Raises ApiError 429 where none is."""


class _NoLimits:
    def take(self, _caller: str) -> Sequence[tuple[bytes, bytes]]:
        return ()


class Gateway:
    """The target's ASGI application: `domains`, and what the API says of itself."""

    def __init__(
        self, domains: Sequence[Domain], authenticate: Authenticate, audit: Audit, limits: Limits | None = None
    ) -> None:
        self._domains = domains
        self._limits = limits or _NoLimits()
        self._authenticate = authenticate
        self._audit = audit
        self._bodies = BodyBudget()
        self._started_s = time.monotonic()
        self.requests = RequestCount()
        self._metrics = Metrics(self.requests)
        endpoints = [*self._own_endpoints(), *(each for domain in domains for each in domain.endpoints())]
        self._router = Router(endpoints)
        self._index = Index(NAME, __version__, _paths(endpoints))
        self._description = msgspec.json.encode(describe(endpoints, NAME, __version__))

    async def start(self) -> None:
        """Make all domains ready, in order. Raises what the first raises that can't be, after stopping those before it."""
        started: list[Domain] = []
        try:
            for domain in self._domains:
                await domain.start()
                started.append(domain)
        except BaseException:
            for domain in reversed(started):
                await domain.stop()
            raise

    async def stop(self) -> None:
        """Stop all domains."""
        for domain in reversed(self._domains):
            await domain.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and count it, whatever becomes of it."""
        started_s = perf_counter()
        answered = False
        label = UNMATCHED
        endpoint: Endpoint | None = None

        async def send_counted(message: Message) -> None:
            nonlocal answered
            if not answered:
                answered = True
                self.requests.add(scope["method"], label, message["status"], perf_counter() - started_s)
            await send(message)

        try:
            endpoints, values = self._router.find(scope["path"])
            label = next(iter(endpoints.values())).label
            endpoint = choose(endpoints, scope["method"])
            path = dict(zip(endpoint.parameters, values, strict=True))
            response = await self._respond(endpoint, Request(scope, receive), path)
            await response(scope, receive, send_counted)
        except ClientDisconnect:
            self.requests.add(scope["method"], label, CLIENT_GONE, perf_counter() - started_s)
        except Exception as error:
            if answered:
                raise
            response = error_response(_api_error(error, scope["method"], label))
            if endpoint is not None:
                response.raw_headers.extend(endpoint.answer_headers)
            await response(scope, receive, send_counted)

    async def _respond(self, endpoint: Endpoint, request: Request, path: dict[str, str]) -> Response:
        caller = self._caller(endpoint, request)
        quota = self._limits.take(_name(caller, request)) if endpoint.limited else ()
        if caller is None:
            response = await self._handle(endpoint, request, path, None)
        else:
            response = await self._handle_signed_in(endpoint, request, path, caller)
        response.raw_headers.extend((*endpoint.answer_headers, *quota))
        if not endpoint.cacheable:
            response.raw_headers.append(_NO_STORE)
        return response

    def _caller(self, endpoint: Endpoint, request: Request) -> Caller | None:
        if endpoint.roles is None:
            return None
        try:
            return self._authenticate(request)
        except errors.ApiError:
            if endpoint.limited:
                self._limits.take(_name(None, request))
            raise

    async def _handle_signed_in(
        self, endpoint: Endpoint, request: Request, path: dict[str, str], caller: Caller
    ) -> Response:
        try:
            if endpoint.roles and caller.role not in endpoint.roles:
                raise errors.forbidden(f"role {caller.role.value} may not do this")
            response = await self._handle(endpoint, request, path, caller)
        except errors.ApiError as error:
            if error.status == 403:
                await self._note(caller, endpoint, request, error.status)
            raise
        if endpoint.audited:
            await self._note(caller, endpoint, request, response.status_code)
        return response

    async def _handle(
        self, endpoint: Endpoint, request: Request, path: dict[str, str], caller: Caller | None
    ) -> Response:
        query = None if endpoint.query is None else read_query(request, endpoint.query)
        headers = None if endpoint.headers is None else read_headers(request, endpoint)
        body = None if endpoint.body is None else await read_body(request, endpoint, self._bodies)
        answer = await endpoint.handler(Call(request, path, caller, body, query, headers=headers))
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, Answer):
            return JsonResponse(answer.content, answer.status)
        return JsonResponse(answer, endpoint.status)

    async def _note(self, caller: Caller, endpoint: Endpoint, request: Request, status: int) -> None:
        await self._audit(caller.name, f"{endpoint.method} {endpoint.label}", request.scope["path"], status)

    def _own_endpoints(self) -> list[Endpoint]:
        async def index(_call: Call) -> Index:
            return self._index

        async def health(_call: Call) -> Health:
            return Health("ok", round(time.monotonic() - self._started_s, 3), __version__)

        async def description(_call: Call) -> Response:
            return Response(self._description, media_type="application/json")

        async def metrics(_call: Call) -> Response:
            gauges: list[Gauge] = [gauge for domain in self._domains for gauge in await domain.gauges()]
            return Response(self._metrics.exposition(gauges), media_type=_EXPOSITION)

        return [
            Endpoint("GET", "/", index, "Every path with its methods", roles=None, reply=Index),
            Endpoint("GET", "/health", health, "Whether the target is up", roles=None, reply=Health),
            Endpoint("GET", "/openapi.json", description, "This description", roles=None, reply="application/json"),
            Endpoint("GET", "/metrics", metrics, "Figures for Prometheus", roles=None, reply="text/plain"),
        ]


def _name(caller: Caller | None, request: Request) -> str:
    """Whose rate limit a request counts against: an account's, or else an address's, which no account is named like."""
    if caller is not None:
        return caller.name
    return f"@{request.client.host}" if request.client is not None else "@"


def _paths(endpoints: Sequence[Endpoint]) -> dict[str, list[str]]:
    methods: dict[str, list[str]] = {}
    for endpoint in endpoints:
        methods.setdefault(endpoint.label, []).append(endpoint.method)
    return {label: allowed_methods(found) for label, found in methods.items()}


def _api_error(error: Exception, method: str, label: str) -> errors.ApiError:
    if isinstance(error, errors.ApiError):
        return error
    if isinstance(error, DatabaseError):
        _log.error("%s %s: %s", method, label, error)
        return errors.unavailable("what this needs can't be reached just now")
    _log.error("%s %s failed", method, label, exc_info=error)
    return errors.internal()
