"""What can go wrong with a request. Each becomes a counted failure; none is raised into a user's task."""

from __future__ import annotations

from http import HTTPStatus

import gevent


class HttpError(Exception):
    """An answer came, but not one to be content with."""


class StatusError(HttpError):
    """An answer with a status of 400 or more, which is in `code`. The message names no URL, so that equal failures add up."""

    def __init__(self, code: int) -> None:
        self.code = code
        try:
            phrase = f" {HTTPStatus(code).phrase}"
        except ValueError:
            phrase = ""
        super().__init__(f"HTTP status {code}{phrase}")


class BadAnswerError(HttpError):
    """The server broke HTTP, or sent more than a user takes."""


class StrayBytesError(BadAnswerError):
    """What came does not even begin as an answer: on a connection used before, it may be left over from the one before."""


class RedirectError(HttpError):
    """A redirect that can't be followed, or one too many."""


FAILURES = (OSError, HttpError, gevent.Timeout)
"""What a request may fail with. OSError covers refused and reset connections, names, time limits (TimeoutError) and TLS
(ssl.SSLError). A gevent.Timeout is one that the task itself has set, which ends the request as it does in Locust."""
