"""One request as it is now: redirects change what is asked, and its answer is kept here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from worker.http.errors import RedirectError
from worker.http.protocol.request_body import Body
from worker.http.protocol.response_head import Head
from worker.http.protocol.url import Located, locate
from worker.http.request_options import RequestOptions
from worker.http.transport.connection import Connection
from worker.http.transport.stream import Stream

NO_BODY = Body()

# Which of its headers a request loses when a redirect takes its body away, and when one leads to another origin.
_OF_A_BODY = dict.fromkeys(("Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Expect"))
_OF_AN_ORIGIN = dict.fromkeys(("Host", "Authorization", "Cookie", "Proxy-Authorization"))


_SHOWN = 20


class Call:
    """What is asked, and what has come of it."""

    # Set only where they differ, which for most requests they do not.
    expects = False
    """Whether the body, `rest`, is sent after "100 Continue" only."""
    rest = b""
    content = b""
    """The body of the answer, as it came."""
    stream: Stream | None = None
    """What reads a streamed answer."""
    started_s: float | None = None
    """When the request was handed to a connection, or a connection was begun for it; on the monotonic clock.

    Set before that, it stays: the request is counted from then.
    """
    answered_s: float | None = None
    """When the last byte of the answer, or of a streamed one's head, had reached this machine; on the monotonic clock."""
    noted = False
    """Whether that is by the kernel's note, and not when it was read."""
    late_s = 0.0
    """Seconds from `started_s`, if it was set before, until the request was made."""
    connect_s = 0.0
    """Seconds spent on making connections, less `unlooked_s`."""
    unlooked_s = 0.0
    """For how long, while they were made, the process did not look at what had come; `started_s` is so much later."""
    connects_noted = True
    """Whether the kernel told all of that."""
    options: RequestOptions | None = None
    """How it is carried out, if not as every other call of its user."""
    sent = b""
    """Request line and header as sent, if the options want to have them shown."""
    dropped: Mapping[str, None] | None = None
    """Headers that redirects have taken away."""
    history: tuple[tuple[Call, Head], ...] = ()
    """The calls that were redirected, and their answers."""

    connection: Connection | None = None
    """The one that it has been sent on."""

    def __init__(  # noqa: PLR0917  # names cost, and there is one for each request
        self,
        method: str,
        located: Located,
        headers: Mapping[str, Any] | None,
        body: Body,
        streamed: bool,
        counted_as: str,
    ) -> None:
        self.method = method
        self.counted_as = counted_as
        """The name of its endpoint."""
        self.located = located
        self.headers = headers
        self.body = body
        self.streamed = streamed

    @property
    def sent_s(self) -> float | None:
        """As `started_s`, while it is in flight too: None until it has been handed to a connection."""
        if self.started_s is None and self.connection is not None:
            return self.connection.asked_s
        return self.started_s

    def redirect(self, status: int, location: str) -> None:
        """Become the request that the redirect asks for (RFC 9110 15.4). Raises RedirectError.

        303 is looked at, whatever led there (15.4.4); of 301 and 302 it is only what was posted (15.4.2, 15.4.3).
        """
        try:
            # What a server makes up is not remembered.
            target = locate.__wrapped__(urljoin(self.located.url, location))
        except ValueError:
            scheme = location.partition(":")[0][:_SHOWN] if ":" in location else "no"
            raise RedirectError(f"a redirect to {scheme!r}, which is no http or https URL") from None
        dropped = dict(self.dropped or {})
        if status == 303 or (status in {301, 302} and self.method == "POST"):
            if self.method != "HEAD":
                self.method = "GET"
            self.body = NO_BODY
            dropped.update(_OF_A_BODY)
        elif self.body.upload is not None and not self.body.upload.repeatable:
            raise RedirectError(f"redirect with status {status}, but the body can't be sent again")
        if target.origin != self.located.origin:
            dropped.update(_OF_AN_ORIGIN)
        self.dropped = dropped
        self.located = target
        self.content = b""
        self.expects = False
