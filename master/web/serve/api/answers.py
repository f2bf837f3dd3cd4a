"""Answers of the API, and the limits of what it reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from master.errors import InputError
from master.judge.result import for_json

MAX_BODY_BYTES = 64 << 10
Endpoint = Callable[[Request], Awaitable[Response]]


def answer(content: object, status: int = 200) -> Response:
    """`content` as JSON."""
    return Response(msgspec.json.encode(for_json(msgspec.to_builtins(content))), status, media_type="application/json")


def refusal(status: int, error: str, hint: str = "") -> Response:
    """Why it can't be done, and what to do."""
    return answer({"error": error, "hint": hint}, status)


def told(endpoint: Endpoint) -> Endpoint:
    """`endpoint`, where an InputError becomes an answer with status 400."""

    @wraps(endpoint)
    async def call(request: Request) -> Response:
        try:
            return await endpoint(request)
        except InputError as error:
            return refusal(400, error.message, error.hint)

    return call


async def read_body(request: Request) -> bytes:
    """The request's body. Raises InputError where it is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise InputError("the request is too long")
    return body
