"""A collector of OpenTelemetry spans and metrics: a real HTTP server that takes OTLP in protobuf, and answers as a test wants."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it came, with the resource that it came with."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    status: int
    status_message: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


CLIENT, UNSET, ERROR = 3, 0, 2
"""Numbers of OTLP's enumerations SpanKind and StatusCode."""


class Collector:
    """Listens on a free port for the length of a `with` block."""

    def __init__(self, status: int = 200, *, stalls: bool = False) -> None:
        """Answers with `status`; if it `stalls`, not before the block ends."""
        self.spans: list[ReceivedSpan] = []
        self.metrics: set[str] = set()
        """Names of those that have come."""
        self.paths: set[str] = set()
        self.requests = 0
        self._changed = threading.Condition()
        self._released = threading.Event()
        if not stalls:
            self._released.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with collector._changed:
                    collector.requests += 1
                    collector.paths.add(self.path)
                    if status == 200 and self.path == "/v1/metrics":
                        collector.metrics |= _metric_names(body)
                    elif status == 200:
                        collector.spans += _decode(body)
                    collector._changed.notify_all()
                collector._released.wait()
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for_spans(self, count: int) -> list[ReceivedSpan]:
        """The spans received, once there are so many; fail if they never come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.spans) >= count, 20), f"{len(self.spans)} of {count} came"
            return list(self.spans)

    def wait_for_request(self) -> None:
        """Return once a request has come; fail if none does."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.requests, 20), "no request came"


def _decode(body: bytes) -> list[ReceivedSpan]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415

    return [
        ReceivedSpan(
            span.name,
            span.kind,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            span.status.code,
            span.status.message,
            _attributes(span.attributes),
            _attributes(of_resource.resource.attributes),
        )
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def _metric_names(body: bytes) -> set[str]:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest  # noqa: PLC0415

    return {
        metric.name
        for of_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
    }


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
