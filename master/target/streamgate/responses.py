"""Answers whose headers are made by hand: for what is answered from a cache, Starlette's own take as long as all the rest."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Header = tuple[bytes, bytes]

HIT: Header = (b"x-cache", b"HIT")
MISS: Header = (b"x-cache", b"MISS")
REVALIDATE: Header = (b"cache-control", b"private, no-cache")
"""A client may keep it, and asks each time whether it is still true."""
IMMUTABLE: Header = (b"cache-control", b"private, max-age=31536000, immutable")
"""It never changes: a year, RFC 8246."""


def prepared(status: int, headers: Sequence[Header], body: bytes | memoryview = b"") -> Response:
    """An answer with just these headers, and the length of `body` where there may be one."""
    response = Response.__new__(Response)
    response.status_code = status
    response.background = None
    response.body = body
    length = () if status in {204, 304} else ((b"content-length", b"%d" % len(body)),)
    response.raw_headers = [*headers, *length]
    return response


class PiecesResponse(Response):
    """An answer whose body of `length_bytes` is made while it is sent, a piece when the one before is on its way."""

    def __init__(
        self, status: int, headers: Sequence[Header], length_bytes: int, pieces: AsyncGenerator[memoryview]
    ) -> None:
        self.status_code = status
        self.background = None
        self.body = b""
        self.raw_headers = [*headers, (b"content-length", b"%d" % length_bytes)]
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As Response. Whoever hangs up is not sent the rest, which would be read for nothing."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        request = Request(scope, receive)
        async with aclosing(self._pieces) as pieces:
            if scope["method"] != "HEAD":
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    if await request.is_disconnected():
                        return
        await send({"type": "http.response.body", "body": b""})
