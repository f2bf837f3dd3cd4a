"""Breaches of HTTP by a server. They are public as worker.http.errors."""

from __future__ import annotations


class HttpError(Exception):
    """Base class for invalid HTTP responses."""


class BadAnswerError(HttpError):
    """The server broke HTTP, or sent more than a user takes."""


class StrayBytesError(BadAnswerError):
    """What came does not even begin as a response: on a connection used before, it may be left over from the one before."""
