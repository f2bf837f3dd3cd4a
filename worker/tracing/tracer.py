"""A worker's side of tracing: which requests are traced, and the way of their spans out of the process.

Spans leave by a pipe to a process of their own (worker/tracing/__main__.py). To make a batch of 512 and send it takes tens of
milliseconds of Python, in which no user would go on if it happened here: under gevent the thread of the SDK's BatchSpanProcessor
is a greenlet of the event loop, and a native one would hold the interpreter's lock. The pipe is the queue, and has a bound: a write never waits, and a span
that finds it full is lost, and counted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec

from worker.tracing.installed import MissingTracingError, check_installed
from worker.tracing.span import LOW_64, Span, sampling_bound, to_frame
from worker.wire.work import Tracing

PIPE_BYTES = 1 << 20
"""Some 4000 spans. What Linux lets a user without privileges have for one pipe (pipe(7), pipe-max-size)."""
START_S = 60.0
"""Longest wait for the exporting process; importing OpenTelemetry takes it a second, and several on a small Pi."""
SETTLE_S = 3.0
"""The time that the last spans of a run get to be exported; the exporting process sends once a second."""
END_S = 1.0
POLL_S = 0.05

FULL = "the collector does not take them as fast as they come"
ENDED = "the process that exports them has ended"
UNSETTLED = "not exported when the run ended"

NoteLost = Callable[[str, int], None]


class ExporterOrders(msgspec.Struct):
    """What the exporting process is told first, as one line of JSON."""

    endpoint: str
    run: str


class Settled(msgspec.Struct):
    """What the exporting process says: spans of one worker that it is done with."""

    worker: str
    spans: int
    lost: str = ""
    """Why the collector does not have them; empty where it has."""


class SpanPipe:
    """The exporting process of this process, for all its workers."""

    def __init__(self, tracing: Tracing, run: str) -> None:
        """Start it, and wait until it has imported what it needs. Raises MissingTracingError when it can't."""
        check_installed()
        spans, self._spans = os.pipe()
        self._settled, settled = os.pipe()
        with contextlib.suppress(OSError):  # the user may have many large pipes already: then it has the usual size
            fcntl.fcntl(self._spans, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "worker.tracing"],
                stdin=spans,
                stdout=settled,
            )
        finally:
            os.close(spans)
            os.close(settled)
        with contextlib.suppress(BrokenPipeError):  # it has ended already, which the wait finds
            os.write(self._spans, msgspec.json.encode(ExporterOrders(tracing.endpoint, run)) + b"\n")
        os.set_blocking(self._spans, False)
        os.set_blocking(self._settled, False)
        self._said = b""
        self._tracers: dict[str, Tracer] = {}
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        ready, _, _ = select.select([self._settled], [], [], START_S)
        if not ready or not os.read(self._settled, 1):
            self.close(0.0)
            raise MissingTracingError(
                "the process that exports spans did not start; what it says is in the lines before this one"
            )

    def add(self, tracer: Tracer) -> None:
        """Tell `tracer` what has become of its spans, from now on."""
        self._tracers[tracer.worker] = tracer

    def write(self, span: Span) -> str:
        """Hand over a span, without ever waiting. Why it is lost; empty where it is not."""
        try:
            os.write(self._spans, to_frame(span))
        except BlockingIOError:
            return FULL
        except OSError:
            return ENDED
        return ""

    def poll(self) -> None:
        """Take in what the exporting process has said."""
        try:
            while data := os.read(self._settled, 1 << 16):
                self._said += data
        except (BlockingIOError, OSError):
            pass
        *lines, self._said = self._said.split(b"\n")
        for line in filter(None, lines):
            settled = msgspec.json.decode(line, type=Settled)
            self._tracers[settled.worker].settled(settled)

    def run(self, sleep: Callable[[float], None]) -> None:
        """Poll once a second, for ever."""
        while True:
            sleep(1.0)
            self.poll()

    def close(self, timeout_s: float = END_S) -> None:
        """End the exporting process, which may take `timeout_s` to send what it has."""
        os.close(self._spans)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._settled)


class Tracer:
    """Decides which requests of one worker are traced, and sends their spans."""

    def __init__(self, pipe: SpanPipe, worker: str, sample_percent: float, note_lost: NoteLost) -> None:
        """`note_lost` is told of spans that the collector does not get: why, and how many."""
        self.worker = worker
        self._pipe = pipe
        self._bound = sampling_bound(sample_percent)
        # Ids of its own: a locustfile may seed the module's generator, the same on every node.
        self._random_bits = random.Random().getrandbits  # noqa: S311  # no secret
        self._note_lost = note_lost
        self._unsettled = 0
        pipe.add(self)

    def sample(self) -> tuple[int, int] | None:
        """The trace id of the next request; None if it is not traced."""
        low = self._random_bits(64)
        if low >= self._bound:
            return None
        return self._random_bits(64), low or LOW_64

    def new_span_id(self) -> int:
        """An id, which is never 0: that would be none (W3C Trace Context 3.2.2.4)."""
        return self._random_bits(64) or 1

    def send(self, span: Span) -> None:
        """Hand over a span. Never waits."""
        lost = self._pipe.write(span)
        if lost:
            self._note_lost(lost, 1)
        else:
            self._unsettled += 1

    def settled(self, settled: Settled) -> None:
        """The exporting process is done with some spans."""
        self._unsettled -= settled.spans
        if settled.lost:
            self._note_lost(settled.lost, settled.spans)

    def settle(self, sleep: Callable[[float], None], timeout_s: float = SETTLE_S) -> None:
        """Wait until all spans are exported, or count those as lost that are not within `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        self._pipe.poll()
        while self._unsettled > 0 and time.monotonic() < deadline_s:
            sleep(POLL_S)
            self._pipe.poll()
        if self._unsettled > 0:
            self._note_lost(UNSETTLED, self._unsettled)
            self._unsettled = 0
