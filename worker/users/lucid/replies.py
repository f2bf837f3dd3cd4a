"""What the users need of the target's answers, and the check that an answer is the one that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Check = Callable[[T], bool]


class HealthReply(msgspec.Struct):
    """GET /health."""

    status: str
    uptime_s: float


class TokenReply(msgspec.Struct):
    """POST /auth/login."""

    token: str
    expires_in_s: float
    role: str


class MeReply(msgspec.Struct):
    """GET /auth/me."""

    username: str


class SessionReply(msgspec.Struct):
    """What every request about one session is answered with."""

    id: str
    state: str
    chunks: int
    raw_bytes: int


class SessionPageReply(msgspec.Struct):
    """GET /sessions."""

    sessions: list[SessionReply]


class StoredChunkReply(msgspec.Struct):
    """POST /sessions/[id]/chunks."""

    sequence: int
    raw_bytes: int
    stored_bytes: int


class NodeReply(msgspec.Struct):
    """What every request about one node is answered with."""

    name: str
    cpu_count: int
    memory_mb: int
    pool: str
    heartbeats: int


class NodePageReply(msgspec.Struct):
    """GET /nodes."""

    nodes: list[NodeReply]


class NodeStatisticsReply(msgspec.Struct):
    """GET /nodes/statistics: sums over all nodes."""

    alive: int
    free_cpu_count: int
    free_memory_mb: int
    free_disk_mb: int


class ServerReply(msgspec.Struct):
    """What every request about one RDP server is answered with."""

    id: str
    state: str
    host: str
    port: int | None


class ServerUsageReply(msgspec.Struct):
    """GET /rdp/servers/[id]/usage."""

    id: str
    connections_now: int
    confirmed: int


class ServerTestReply(msgspec.Struct):
    """POST /rdp/servers/[id]/test."""

    reachable: bool
    answer_ms: float | None


class StatisticsReply(msgspec.Struct):
    """GET /admin/statistics."""

    sessions: dict[str, int]
    nodes: dict[str, int]


class _Error(msgspec.Struct):
    code: str


class _ErrorReply(msgspec.Struct):
    error: _Error


class WrongReplyError(Exception):
    """The answer is not what was asked for. The message names no ids, so that equal failures count as one kind."""


_decoders: dict[Any, Callable[[bytes], Any]] = {}
_decode_error = msgspec.json.Decoder(_ErrorReply).decode


def read(status: int, content: bytes, expected: tuple[int, ...], reply: type[T], check: Check[T] | None) -> T:
    """The answer as a `reply` (for `bytes`: as it is). Raises WrongReplyError that says what is wrong with it."""
    if status not in expected:
        raise WrongReplyError(f"status {status} instead of {' or '.join(map(str, expected))}{_code(content)}")
    if reply is bytes:
        value: Any = content
    else:
        decode = _decoders.get(reply)
        if decode is None:
            decode = _decoders[reply] = msgspec.json.Decoder(reply).decode
        try:
            value = decode(content)
        except msgspec.DecodeError as error:
            raise WrongReplyError(f"body is no {reply.__name__}: {error}") from None
    if check is not None and not check(value):
        raise WrongReplyError(f"{reply.__name__} contradicts the request")
    found: T = value
    return found


def _code(content: bytes) -> str:
    try:
        return f": {_decode_error(content).error.code}"
    except msgspec.DecodeError:
        return ""
