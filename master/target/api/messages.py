"""What is answered by the API as such, and what many messages share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

PageLimit = Annotated[int, Meta(ge=1, le=100)]


class Health(Struct):
    """Answer of GET /health."""

    status: str
    uptime_s: float
    version: str


class Index(Struct):
    """Answer of GET /: every path with its methods."""

    name: str
    version: str
    paths: dict[str, list[str]]


class ErrorDetail(Struct):
    """What went wrong: a code for programs, a message for people."""

    code: str
    message: str


class ErrorBody(Struct):
    """The one body of all errors."""

    error: ErrorDetail
