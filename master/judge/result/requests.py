"""Requests in a result: all together, by endpoint, and what went wrong with them."""

from __future__ import annotations

import msgspec

from master.judge.result.latency import Latency


class Requests(msgspec.Struct, kw_only=True):
    """Requests: all of the run, and per second over the steady part."""

    total: int
    failed: int
    rate_per_s: float | None
    """Null without a steady part."""
    unanswered: int = 0
    """Of `failed`, those that got no answer: they timed out, or were in flight when their user was stopped."""


class EndpointResult(msgspec.Struct, kw_only=True):
    """One endpoint: requests of the whole run; rate, latency and service time of the steady part."""

    method: str
    name: str
    total: int
    failed: int
    rate_per_s: float | None
    """Null without a steady part."""
    latency_ms: Latency
    """In the open model with the time for which an arrival waited for a free user."""
    service_time_ms: Latency | None = None
    """From requests' actual start on; as `latency_ms` in the closed model."""


class InFlight(msgspec.Struct, kw_only=True):
    """Requests that had been sent and not answered, as counted at the end of each second of the steady part."""

    peak: int
    """The most at one time."""
    oldest_ms: float | None
    """How long the one that waited longest had been waiting then, if it was a second or more; null where none had been."""
    endpoint: str | None
    """That one's, as METHOD NAME."""


class ErrorResult(msgspec.Struct, kw_only=True):
    """An error of requests: at which endpoint, and how often in the whole run; both names are empty for what has no endpoint."""

    method: str
    name: str
    error: str
    count: int
    first_s: float
    """When it was first reported, in seconds of the run."""


class ExceptionResult(msgspec.Struct, kw_only=True):
    """An exception that users' code let through: of which class, where, and how often in the whole run."""

    user_class: str
    type: str
    message: str
    place: str
    line: str
    count: int
