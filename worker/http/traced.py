"""The client of a user whose requests are traced. Users of a run without tracing have a plain Session, and pay nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from worker.http.errors import StatusError
from worker.http.protocol.request_head import with_header
from worker.http.response import CaughtResponse, Response
from worker.http.session import Session
from worker.tracing.span import Span, traceparent
from worker.tracing.tracer import Tracer

MAX_REASON = 300
HEADER = "traceparent"

_clock = time.monotonic


class TracedSession(Session):
    """A Session that sends a span for each request that is sampled.

    The span lasts as long as the service time that is recorded: it begins when the request is handed to its connection, and ends
    when the response has reached this machine. A request that has a traceparent of its own is left alone.
    """

    def __init__(self, tracer: Tracer, base_url: str, **options: Any) -> None:
        """`options` are those of Session."""
        super().__init__(base_url, **options)
        self._tracer = tracer

    def request(  # noqa: PLR0917  # as Session
        self,
        method: str,
        url: str,
        name: str | None = None,
        data: Any = None,
        catch_response: bool = False,
        stream: bool = False,
        headers: Mapping[str, Any] | None = None,
        *arguments: Any,
        **options: Any,
    ) -> Any:
        """Send one request, as Session does."""
        send = super().request
        trace_id = self._tracer.sample()
        if trace_id is None or self._has_own_trace(headers):
            return send(method, url, name, data, catch_response, stream, headers, *arguments, **options)
        span_id = self._tracer.new_span_id()
        headers = with_header(headers, HEADER, traceparent(trace_id, span_id))
        template = name or self.request_name or ""
        response = send(method, url, name, data, catch_response, stream, headers, *arguments, **options)
        span = self._span(response, trace_id, span_id, template)
        if isinstance(response, CaughtResponse):
            response.report = partial(self._report, response.report, span)
        else:
            self._send(span, response.error)
        return response

    def _has_own_trace(self, headers: Any) -> bool:
        return HEADER in self._exchange.default_headers or (
            headers is not None and any(str(name).lower() == HEADER for name in dict(headers))
        )

    def _span(self, response: Response, trace_id: tuple[int, int], span_id: int, template: str) -> Span:
        call, head = response.exchanged
        first = call.history[0][0] if call.history else call
        service_s = response.latency_s - call.late_s
        # Latency begins before the service time by what was late, however that came into it (Session, on its clock).
        begun_s = _clock() if call.started_s is None else call.started_s - call.added_s + call.late_s
        start_ns = time.time_ns() - int((_clock() - begun_s) * 1e9)
        origin = first.parsed_url.origin
        return Span(
            self._tracer.worker,
            trace_id,
            span_id,
            start_ns,
            start_ns + int(service_s * 1e9),
            first.method,
            first.parsed_url.url,
            origin.host,
            origin.port,
            template,
            0 if head is None else head.status,
            "" if head is None else head.data[5:8].decode("ascii", "replace"),
            len(call.history),
        )

    def _report(self, report: Callable[..., None], span: Span, **meta: Any) -> None:
        """The task has judged the response: its verdict is the span's, too."""
        self._send(span, meta["exception"])
        report(**meta)

    def _send(self, span: Span, error: BaseException | None) -> None:
        if isinstance(error, StatusError):
            span.error = str(error.code)
        elif error is not None:
            span.error, span.reason = type(error).__qualname__, str(error)[:MAX_REASON]
        self._tracer.send(span)
