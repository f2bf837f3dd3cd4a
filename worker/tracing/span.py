"""One traced request, as it goes from a worker to the process that exports it, and its mark in the request's header. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

MAX_FRAME_BYTES = 4096
"""PIPE_BUF of Linux: as many bytes go into a pipe as a whole or not at all, so no span is ever half written (pipe(7))."""
MAX_URL = 500
TRACES_PATH = "/v1/traces"
LOST_SPANS = "spans lost"
"""The name under which lost spans are reported among the errors."""
MAX_TEXT = 100
_LENGTH = struct.Struct("<H")
LOW_64 = (1 << 64) - 1


class Span(msgspec.Struct, array_like=True):
    """A request that has ended. Times are nanoseconds of Unix time."""

    worker: str
    trace_id: tuple[int, int]
    """The upper and the lower 64 bits."""
    span_id: int
    start_ns: int
    end_ns: int
    method: str
    url: str
    """As requested, before redirects."""
    host: str
    port: int
    template: str = ""
    """The name that the task gave the request, which stands for many URLs; empty for none."""
    status: int = 0
    """HTTP status of the response; 0 for none."""
    protocol: str = ""
    """HTTP version of the response."""
    resent: int = 0
    """Redirects that were followed."""
    error: str = ""
    """The kind of failure: a status, or the name of an exception; empty for none."""
    reason: str = ""
    """What the failure says of itself; empty where the status says it."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Span).decode


def sampling_bound(percent: float) -> int:
    """A trace is sampled if the lower 64 bits of its id are below this: so OpenTelemetry's TraceIdRatioBased decides, too."""
    return round(percent / 100 * (LOW_64 + 1))


def traceparent(trace_id: tuple[int, int], span_id: int) -> str:
    """The header by which the target knows the span: version 00, ids, the flag "sampled" (W3C Trace Context 3.2)."""
    return f"00-{trace_id[0]:016x}{trace_id[1]:016x}-{span_id:016x}-01"


def traces_url(endpoint: str) -> str:
    """Where spans are sent, for a collector's base URL (OTLP 1.0, "OTLP/HTTP Request")."""
    return endpoint if endpoint.endswith(TRACES_PATH) else endpoint.rstrip("/") + TRACES_PATH


def to_frame(span: Span) -> bytes:
    """The bytes of `span` in the pipe; texts are cut where it would be too long."""
    data = _encode(span)
    if len(data) > MAX_FRAME_BYTES - _LENGTH.size:
        cut = {name: getattr(span, name)[:MAX_TEXT] for name in ("worker", "method", "host", "template", "reason")}
        data = _encode(msgspec.structs.replace(span, url=span.url[:MAX_URL], **cut))
    return _LENGTH.pack(len(data)) + data


class FrameReader:
    """Takes what comes out of the pipe, in whatever pieces, and gives back spans."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, data: bytes) -> Iterator[Span]:
        """The spans that are complete with `data`. Raises msgspec.MsgspecError for bytes that are none."""
        self._begun += data
        at = 0
        while at + _LENGTH.size <= len(self._begun):
            (length,) = _LENGTH.unpack_from(self._begun, at)
            end = at + _LENGTH.size + length
            if end > len(self._begun):
                break
            yield _decode(self._begun[at + _LENGTH.size : end])
            at = end
        del self._begun[:at]
