"""The process that exports spans: `python -m worker.tracing`, with ExporterOrders and frames of spans on standard input.

It says on standard output, one line of JSON for each worker and batch, what has become of the spans: `Settled`, after one empty
line once it can begin. It ends when its standard input closes. While the collector is slow it reads nothing, so that the pipe
fills and the worker loses spans there, in one place. Nothing else in this project imports OpenTelemetry.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from worker import __version__
from worker.tracing.conventions import attributes_of, span_name
from worker.tracing.span import FrameReader, Span, traces_url
from worker.tracing.tracer import ExporterOrders, Settled

NICENESS = 10
"""The load comes first."""
POLL_S = 0.2
"""Spans wait so long to be read together: a reader that wakes for each would take the core from the load."""
BATCH_S = 1.0
"""A batch that is not full is sent so long after the one before."""
MAX_BATCH = 512
"""As the SDK's BatchSpanProcessor."""
EXPORT_S = 5.0
"""Longest time for one batch, retries included."""

_SCOPE = InstrumentationScope("worker.tracing", __version__)
_UNSET = Status(StatusCode.UNSET)


class Exporter:
    """Sends spans to the collector, a batch at a time."""

    def __init__(self, orders: ExporterOrders, say: Callable[[bytes], object]) -> None:
        """`say` gets a line for each worker and batch."""
        self._resource = Resource.create(
            {"service.name": "piswarm", "service.version": __version__, "piswarm.run": orders.run}
        )
        self._exporter = OTLPSpanExporter(traces_url(orders.endpoint), timeout=EXPORT_S)
        self._say = say
        self._log = _FailureLog()
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self._log)
        logger.propagate = False

    def export(self, spans: Sequence[Span]) -> None:
        """Send one batch, and say what has become of it."""
        self._log.status = ""
        lost = ""
        if self._exporter.export([self._to_readable_span(span) for span in spans]) != SpanExportResult.SUCCESS:
            lost = self._log.failure
        for worker, count in Counter(span.worker for span in spans).items():
            self._say(msgspec.json.encode(Settled(worker, count, lost)) + b"\n")

    def _to_readable_span(self, span: Span) -> ReadableSpan:
        high, low = span.trace_id
        return ReadableSpan(
            span_name(span),
            SpanContext(high << 64 | low, span.span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)),
            resource=self._resource,
            attributes=attributes_of(span),
            kind=SpanKind.CLIENT,
            status=Status(StatusCode.ERROR, span.reason or None) if span.error else _UNSET,
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=_SCOPE,
        )


class _FailureLog(logging.Handler):
    """What the SDK's exporter tells its log alone: why it has failed. The first failure is told in full."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.status = ""
        self._told = False

    @property
    def failure(self) -> str:
        """Why the batch is lost, in few different words."""
        return f"the collector answers {self.status}" if self.status else "the collector does not answer"

    def emit(self, record: logging.LogRecord) -> None:
        """Take the HTTP status out of a message."""
        text = record.getMessage()
        if found := re.search(r"code: ([0-9]{3})\b", text):
            self.status = found[1]
        if not self._told and record.levelno >= logging.WARNING:
            self._told = True
            sys.stderr.write(f"spans: {text}\n")


def read_line(descriptor: int) -> bytes:
    """The bytes up to the end of the line, and no further."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line


def read_all(descriptor: int, frames: FrameReader) -> tuple[list[Span], bool]:
    """The spans that wait in the pipe, at most about MAX_BATCH, and whether its other end is closed."""
    spans: list[Span] = []
    while len(spans) < MAX_BATCH:
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return spans, False
        if not data:
            return spans, True
        spans += frames.feed(data)
    return spans, False


def main() -> int:
    """Export what comes on standard input until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal: the worker says when it is over
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    orders = msgspec.json.decode(read_line(0), type=ExporterOrders)
    os.set_blocking(0, False)
    frames = FrameReader()
    exporter = Exporter(orders, lambda line: os.write(1, line))
    waiting: list[Span] = []
    due_s, closed = 0.0, False
    with contextlib.suppress(BrokenPipeError):  # the worker has gone
        os.write(1, b"\n")
        while not closed:
            spans, closed = read_all(0, frames)
            waiting += spans
            if closed or len(waiting) >= MAX_BATCH or time.monotonic() >= due_s:
                for begin in range(0, len(waiting), MAX_BATCH):
                    exporter.export(waiting[begin : begin + MAX_BATCH])
                waiting.clear()
                due_s = time.monotonic() + BATCH_S
            else:
                time.sleep(POLL_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
