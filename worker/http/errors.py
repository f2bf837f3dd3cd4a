"""Failures of a request. Each is recorded; none is raised into a user's task, unless it reads a stream or calls raise_for_status."""

from __future__ import annotations

from http import HTTPStatus

import gevent
from locust.contrib.fasthttp import LocustBadStatusCode

from worker.http.protocol.errors import BadAnswerError, HttpError, StrayBytesError

__all__ = ["FAILURES", "BadAnswerError", "HttpError", "RedirectError", "StatusError", "StrayBytesError"]


class StatusError(HttpError, LocustBadStatusCode):
    """A response with a status of 400 or more, which is `code`; `url` is that of the last redirect. Worded as by FastHttpUser."""

    def __init__(self, url: str, *, code: int) -> None:
        LocustBadStatusCode.__init__(self, url, code=code)  # type: ignore[call-arg]  # its base is untyped

    @property
    def counted_as(self) -> str:
        """The name under which a report counts it; it has no URL, so that equal failures are one line."""
        try:
            return f"HTTP status {self.code} {HTTPStatus(self.code).phrase}"
        except ValueError:
            return f"HTTP status {self.code}"


class RedirectError(HttpError):
    """A redirect that can't be followed, or one too many."""


FAILURES = (OSError, HttpError, gevent.Timeout)
"""What a request may fail with. OSError covers refused and reset connections, names, time limits (TimeoutError) and TLS
(ssl.SSLError). A gevent.Timeout is one that the task itself has set, which ends the request as it does in Locust."""
