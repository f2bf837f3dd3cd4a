"""Name and attributes of a span by OpenTelemetry's semantic conventions for HTTP client spans (1.23 and later, stable). Pure.

There is one span for the whole of a request, redirects and repetitions included: `url.full` is the URL that was asked for first.
"""

from __future__ import annotations

import re

from worker.tracing.span import Span

KNOWN_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
"""RFC 9110 and RFC 5789; what else is sent counts as OTHER_METHOD."""
OTHER_METHOD = "_OTHER"
_SIGNATURE = re.compile(r"(?<=[?&])(AWSAccessKeyId|Signature|sig|X-Goog-Signature)=[^&#]*")


def span_name(span: Span) -> str:
    """Method and template. A path is no part of a name, since each may be different."""
    method = span.method if span.method in KNOWN_METHODS else "HTTP"
    return f"{method} {span.template}" if span.template else method


def attributes_of(span: Span) -> dict[str, str | int]:
    """The attributes that the conventions require or recommend, as far as they are known, and the worker."""
    known = span.method in KNOWN_METHODS
    attributes: dict[str, str | int] = {
        "http.request.method": span.method if known else OTHER_METHOD,
        "server.address": span.host,
        "server.port": span.port,
        "url.full": _SIGNATURE.sub(r"\1=REDACTED", span.url),
        "piswarm.worker": span.worker,
    }
    if not known:
        attributes["http.request.method_original"] = span.method
    if span.template:
        attributes["url.template"] = span.template
    if span.status:
        attributes["http.response.status_code"] = span.status
        attributes["network.protocol.version"] = span.protocol
    if span.resent:
        attributes["http.request.resend_count"] = span.resent
    if span.error:
        attributes["error.type"] = span.error
    return attributes
