"""A traced request as OpenTelemetry's SDK takes it, by the semantic conventions for HTTP client spans 1.23 and later (stable).

There is one span for the whole of a request, redirects and repetitions included: `url.full` is the URL that was asked for first.
"""

from __future__ import annotations

import re

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from worker import __version__
from worker.tracing.span import Span

KNOWN_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
"""RFC 9110 and RFC 5789; what else is sent counts as OTHER_METHOD."""
OTHER_METHOD = "_OTHER"
_SIGNATURE = re.compile(r"(?<=[?&])(AWSAccessKeyId|Signature|sig|X-Goog-Signature)=[^&#]*")
_SCOPE = InstrumentationScope("worker.tracing", __version__)
_UNSET = Status(StatusCode.UNSET)


def to_readable_span(span: Span, resource: Resource) -> ReadableSpan:
    """The client span of `span`."""
    known = span.method in KNOWN_METHODS
    name = span.method if known else "HTTP"
    attributes: dict[str, AttributeValue] = {
        "http.request.method": span.method if known else OTHER_METHOD,
        "server.address": span.host,
        "server.port": span.port,
        "url.full": _SIGNATURE.sub(r"\1=REDACTED", span.url),
        "piswarm.worker": span.worker,
    }
    if not known:
        attributes["http.request.method_original"] = span.method
    if span.template:
        # A path is no name, since each may be different; what the task names its requests is one.
        name = f"{name} {span.template}"
        attributes["url.template"] = span.template
    if span.status:
        attributes["http.response.status_code"] = span.status
        attributes["network.protocol.version"] = span.protocol
    if span.resent:
        attributes["http.request.resend_count"] = span.resent
    if span.error:
        attributes["error.type"] = span.error
    high, low = span.trace_id
    return ReadableSpan(
        name,
        SpanContext(high << 64 | low, span.span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)),
        resource=resource,
        attributes=attributes,
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR, span.reason or None) if span.error else _UNSET,
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=_SCOPE,
    )
