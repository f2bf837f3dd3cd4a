"""Requests that have been sent and not answered yet: how many there are, and how long they have been waiting."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from worker.load.histogram import Histogram
from worker.wire.messages import WAITING_S

Endpoint = tuple[str, str]


class PendingRequest(Protocol):
    """One request in flight."""

    method: str
    counted_as: str
    """The name of its endpoint."""

    @property
    def sent_s(self) -> float | None:
        """When it was sent, on the monotonic clock; None while it waits for a connection of its user's own limit."""


class Pending:
    """The requests of one endpoint in flight at one moment."""

    __slots__ = ("ages", "count")

    def __init__(self) -> None:
        self.count = 0
        self.ages = Histogram()
        """Of those that have been waiting for WAITING_S or longer, in ms."""


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
