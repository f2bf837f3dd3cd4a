"""Requests in flight, that is sent and not answered yet: their number and ages, by endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from worker.load.histogram import Histogram
from worker.wire.bounds import WAITING_S

Endpoint = tuple[str, str]


class PendingRequest(Protocol):
    """One request in flight."""

    method: str
    counted_as: str
    """The name of its endpoint in the results."""

    @property
    def sent_s(self) -> float | None:
        """The time of sending on the monotonic clock; None while it waits for a connection in its user's pool."""


class Pending:
    """The requests of one endpoint in flight at one moment."""

    __slots__ = ("ages", "count")

    def __init__(self) -> None:
        self.count = 0
        self.ages = Histogram()
        """Ages in ms of those that have been waiting for at least WAITING_S."""


def pending_by_endpoint(requests: Iterable[PendingRequest], now_s: float) -> dict[Endpoint, Pending]:
    """The requests in flight at `now_s`, by endpoint."""
    found: dict[Endpoint, Pending] = {}
    for request in requests:
        key = (request.method, request.counted_as)
        pending = found.get(key)
        if pending is None:
            pending = found[key] = Pending()
        pending.count += 1
        sent_s = request.sent_s
        if sent_s is not None and now_s - sent_s >= WAITING_S:
            pending.ages.add(1000 * (now_s - sent_s))
    return found
