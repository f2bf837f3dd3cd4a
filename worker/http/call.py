"""One request under way: what is sent, which redirects change, and what has come of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from worker.http.errors import RedirectError
from worker.http.protocol.request_body import Body
from worker.http.protocol.response_head import Head
from worker.http.protocol.url import ParsedUrl, parse_url
from worker.http.request_options import RequestOptions
from worker.http.transport.connection import Connection
from worker.http.transport.stream import Stream

NO_BODY = Body()

# Header fields that a request loses when a redirect takes its body away, and when one leads to another origin (RFC 9110 15.4).
_OF_A_BODY = dict.fromkeys(("Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Expect"))
_OF_AN_ORIGIN = dict.fromkeys(("Host", "Authorization", "Cookie", "Proxy-Authorization"))


_SHOWN_LENGTH = 20


class Call:
    """A request, and its response as far as it has come."""

    # Set only where they differ, which for most requests they do not.
    expects = False
    """Whether the body, `rest`, is sent after "100 Continue" only (RFC 9110 10.1.1)."""
    rest = b""
    content = b""
    """The body of the response, as it came."""
    stream: Stream | None = None
    """The body of a streamed response, unless it came in one piece with its head."""
    started_s: float | None = None
    """When the latency begins, on the monotonic clock: the request was handed to a connection, or one began to be made.

    A value that was set before that stays.
    """
    answered_s: float | None = None
    """When the last byte of the response, or of a streamed one's head, had reached this machine; on the monotonic clock."""
    timestamped = False
    """Whether `answered_s` is by the kernel's timestamp, and not when the bytes were read."""
    late_s = 0.0
    """Seconds of the latency before the request was made: from `started_s`, if it was set before, or `added_s`."""
    added_s = 0.0
    """Seconds of the latency before `started_s`: its arrival, of the open model, has waited so long for the user."""
    connect_s = 0.0
    """Seconds spent on making connections, less `connect_unread_s`."""
    connect_unread_s = 0.0
    """Seconds, while they were made, in which the process did not look at what had come; `started_s` is so much later."""
    connects_timestamped = True
    """Whether the kernel told all of `connect_unread_s`."""
    options: RequestOptions | None = None
    """Options of this request; None: those of its user."""
    sent = b""
    """Request line and header as sent, kept if the request has options."""
    dropped: Mapping[str, None] | None = None
    """Headers that redirects have taken away."""
    history: tuple[tuple[Call, Head], ...] = ()
    """The calls that were redirected, and the heads of their responses."""

    connection: Connection | None = None
    """The connection on which it was sent."""

    def __init__(  # noqa: PLR0917  # names cost, and there is one for each request
        self,
        method: str,
        parsed_url: ParsedUrl,
        headers: Mapping[str, Any] | None,
        body: Body,
        streamed: bool,
        counted_as: str,
    ) -> None:
        self.method = method
        self.counted_as = counted_as
        """The name of its endpoint."""
        self.parsed_url = parsed_url
        self.headers = headers
        self.body = body
        self.streamed = streamed

    @property
    def sent_s(self) -> float | None:
        """When the latency begins, known also while the request is in flight; None until it has been handed to a connection."""
        started_s = self.started_s
        if started_s is None and self.connection is not None:
            started_s = self.connection.sent_s
        return None if started_s is None else started_s - self.added_s

    def redirect(self, status: int, location: str) -> None:
        """Become the request that the redirect asks for (RFC 9110 15.4). Raises RedirectError.

        `location` is resolved against the URL of this request (10.2.2, RFC 3986 5). 303 makes any method but HEAD a GET
        (15.4.4), 301 and 302 only POST (15.4.2, 15.4.3); all others keep method and body (15.4.8, 15.4.9).
        """
        try:
            # What a server makes up is not remembered.
            target = parse_url.__wrapped__(urljoin(self.parsed_url.url, location))
        except ValueError:
            scheme = location.partition(":")[0][:_SHOWN_LENGTH] if ":" in location else "no"
            raise RedirectError(f"a redirect to {scheme!r}, which is no http or https URL") from None
        dropped = dict(self.dropped or {})
        if status == 303 or (status in {301, 302} and self.method == "POST"):
            if self.method != "HEAD":
                self.method = "GET"
            self.body = NO_BODY
            dropped.update(_OF_A_BODY)
        elif self.body.upload is not None and not self.body.upload.repeatable:
            raise RedirectError(f"redirect with status {status}, but the body can't be sent again")
        if target.origin != self.parsed_url.origin:
            dropped.update(_OF_AN_ORIGIN)
        self.dropped = dropped
        self.parsed_url = target
        self.content = b""
        self.expects = False
