"""Requests that never got an answer: they timed out, or were cut off with their user. Their ages are lower bounds of latencies."""

from __future__ import annotations

import gevent
import requests

from worker.load.histogram import Histogram
from worker.load.in_flight import Endpoint
from worker.wire.bounds import WAITING_S
from worker.wire.reports import Unanswered

MAX_ROWS = 500
"""Rows of one report. Requests beyond count as sent in the second in which they were given up."""
MAX_ENDPOINTS = 1000
"""Endpoints whose longest latency is kept."""
OVERDUE_FACTOR = 2.0
"""A request is overdue when its age is so many times the longest latency of its endpoint."""
_KINDS = (TimeoutError, requests.exceptions.Timeout, gevent.Timeout)


def is_unanswered(error: BaseException) -> bool:
    """Whether a request failed with `error` because no answer came in time."""
    return isinstance(error, _KINDS)


class UnansweredRequests:
    """The unanswered requests since the last report, and the longest latency of each endpoint."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, int, int], Histogram] = {}
        self._longest_ms: dict[Endpoint, float] = {}

    def add(self, method: str, name: str, sent_s: float, ended_s: float) -> None:
        """Count one request, sent and given up at these times of the monotonic clock."""
        key = (method, name, max(0, int(sent_s)), int(ended_s))
        if key not in self._rows and len(self._rows) >= MAX_ROWS:
            key = (method, name, int(ended_s), int(ended_s))
        self._rows.setdefault(key, Histogram()).add(1000 * (ended_s - sent_s))

    def note_answered(self, endpoint: Endpoint, max_ms: float) -> None:
        """Note that latencies of an endpoint were up to `max_ms`."""
        if max_ms > self._longest_ms.get(endpoint, 0.0) and (
            endpoint in self._longest_ms or len(self._longest_ms) < MAX_ENDPOINTS
        ):
            self._longest_ms[endpoint] = max_ms

    def is_overdue(self, endpoint: Endpoint, age_ms: float, latest_ms: float = 0.0) -> bool:
        """Whether a request of this age is overdue; `latest_ms` is the longest latency that has not been noted yet."""
        return age_ms >= max(1000 * WAITING_S, OVERDUE_FACTOR * max(latest_ms, self._longest_ms.get(endpoint, 0.0)))

    def pop_all(self) -> list[Unanswered]:
        """Take everything added since the last call."""
        rows = [Unanswered(*key, ages.count, ages.max_ms, ages.buckets) for key, ages in self._rows.items()]
        self._rows.clear()
        return rows
