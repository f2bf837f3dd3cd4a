"""What the handlers need of requests and responses and Starlette has not: bounded bodies, typed JSON, typed queries.

Starlette's own limit for bodies answers with plain text; here every error is JSON.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from master.target.api import errors
from master.target.api.endpoint import MAX_JSON_BYTES, Binary, Endpoint, Streamed

JSON = "application/json"
MAX_WAITING_BYTES = 256 * 1024 * 1024
"""Of bodies on their way, which clients can make take as long as a request may."""
_NO_NUL = "a string must not have the character U+0000"

_encode = msgspec.json.Encoder().encode


class JsonResponse(Response):
    """An answer that carries a msgspec structure, or anything else msgspec can encode, as JSON."""

    media_type = JSON

    def render(self, content: Any) -> bytes:
        """The body."""
        return _encode(content)


def error_response(error: errors.ApiError) -> JsonResponse:
    """An answer that carries `error`."""
    headers = {"cache-control": "no-store", **(error.headers or {})}
    return JsonResponse({"error": {"code": error.code, "message": error.message}}, error.status, headers)


class BodyBudget:
    """How many bytes of bodies that are still on their way may be kept, over all connections."""

    def __init__(self, left_bytes: int = MAX_WAITING_BYTES) -> None:
        self.left_bytes = left_bytes


class BodyStream:
    """A body of at most `limit_bytes` as it comes. `budget` has back what of it was taken when `pieces` is closed."""

    def __init__(self, request: Request, limit_bytes: int, budget: BodyBudget) -> None:
        self._request = request
        self._limit_bytes = limit_bytes
        self._budget = budget
        self._held_bytes = 0

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Piece by piece.

        Raises ApiError 413 as soon as it is known to be longer than the limit, 503 where the budget has no more, and
        ClientDisconnect.
        """
        if int(self._request.headers.get("content-length", 0)) > self._limit_bytes:
            raise errors.too_large(self._limit_bytes)
        received_bytes = 0
        try:
            async with aclosing(self._request.stream()) as stream:
                async for part in stream:
                    received_bytes += len(part)
                    self._hold(len(part))
                    if received_bytes > self._limit_bytes:
                        raise errors.too_large(self._limit_bytes)
                    if self._budget.left_bytes < 0:
                        raise errors.unavailable("too many bodies are on their way")
                    yield part
        finally:
            self.release()

    def release(self) -> None:
        """What has come so far is kept in memory no more."""
        self._hold(-self._held_bytes)

    def _hold(self, more_bytes: int) -> None:
        self._held_bytes += more_bytes
        self._budget.left_bytes -= more_bytes


async def read_bytes(request: Request, limit_bytes: int, budget: BodyBudget) -> bytes:
    """The whole body. Raises ApiError as BodyStream."""
    async with aclosing(BodyStream(request, limit_bytes, budget).pieces()) as pieces:
        return b"".join([piece async for piece in pieces])


async def read_body(request: Request, endpoint: Endpoint, budget: BodyBudget) -> Any:
    """The body as the endpoint declares it: a Struct, bytes, or a BodyStream.

    Raises ApiError as `read_bytes`, 415 for another content type than JSON, 400 for what is no JSON, 422 for what
    breaks the schema.
    """
    if isinstance(endpoint.body, Binary):
        return await read_bytes(request, endpoint.body.max_bytes, budget)
    expected = endpoint.body.media_type if isinstance(endpoint.body, Streamed) else JSON
    content_type = request.headers.get("content-type", JSON)
    if content_type.partition(";")[0].strip().lower() != expected:
        raise errors.unsupported_media_type(expected)
    if isinstance(endpoint.body, Streamed):
        return BodyStream(request, endpoint.body.max_bytes, budget)
    body = await read_bytes(request, MAX_JSON_BYTES, budget)
    try:
        decoded = endpoint.decode(body)
    except msgspec.ValidationError as error:
        raise errors.invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.bad_request(f"body is no valid JSON: {error}") from None
    # PostgreSQL's texts can't hold it. JSON can name it by this escape alone; whether it is one, and no escaped backslash, is
    # looked at only where it is found.
    if b"\\u0000" in body and _has_nul(msgspec.to_builtins(decoded)):
        raise errors.invalid(_NO_NUL)
    return decoded


def read_query(request: Request, schema: type[Any]) -> Any:
    """The query string as a `schema`. Raises ApiError 422, also where a name is there twice."""
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) < len(pairs):
        raise errors.invalid("query: a parameter is given twice")
    if _has_nul(given):
        raise errors.invalid(f"query: {_NO_NUL}")
    try:
        return msgspec.convert(given, schema, strict=False)
    except msgspec.ValidationError as error:
        raise errors.invalid(f"query: {error}") from None


def read_headers(request: Request, endpoint: Endpoint) -> Any:
    """The headers that the endpoint takes. Raises ApiError 400."""
    assert endpoint.headers is not None
    names = endpoint.header_names
    given = {names[name]: value.decode("latin-1") for name, value in request.scope["headers"] if name in names}
    try:
        return msgspec.convert(given, endpoint.headers, strict=False)
    except msgspec.ValidationError as error:
        raise errors.bad_request(f"headers: {error}") from None


def _has_nul(value: Any) -> bool:
    # Without recursion: JSON may be nested as deep as the interpreter's own limit, which is spent twice on a level here.
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            if "\0" in found:
                return True
        elif isinstance(found, dict):
            waiting += found.keys()
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
    return False
