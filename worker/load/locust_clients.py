"""In-flight requests of Locust's own HTTP clients.

Locust fires its request event when a request has ended. To see those that never end, the one method through which both
clients send is wrapped, once for the process.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import gevent
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.user.task import LOCUST_STATE_STOPPING

from worker.load.request_event import RequestEvent


class _Request:
    """One request of a client of Locust's, a worker.load.in_flight.PendingRequest."""

    __slots__ = ("counted_as", "method", "sent_s")

    def __init__(self, method: str, counted_as: str, sent_s: float) -> None:
        self.method = method
        self.counted_as = counted_as
        self.sent_s: float | None = sent_s


def track_requests() -> None:
    """Wrap both clients: sessions whose request event is a RequestEvent keep its `in_flight`. A second call changes nothing."""
    for client in (FastHttpSession, HttpSession):
        if not hasattr(client.request, "__wrapped__"):
            client.request = _tracked(client.request)  # type: ignore[method-assign]


def _tracked(request: Any) -> Any:
    @functools.wraps(request)
    def tracked(session: Any, method: Any, url: Any, name: Any = None, *args: Any, **kwargs: Any) -> Any:
        event = session.request_event
        if not isinstance(event, RequestEvent):
            return request(session, method, url, name, *args, **kwargs)
        pending = _Request(str(method), str(name or session.request_name or url), time.monotonic())
        event.in_flight.add(pending)
        try:
            return request(session, method, url, name, *args, **kwargs)
        except gevent.GreenletExit:
            if session.user is not None and session.user._state == LOCUST_STATE_STOPPING:  # noqa: SLF001  # Locust keeps it there
                event.note_cut(pending, time.monotonic())
            raise
        finally:
            event.in_flight.discard(pending)

    return tracked
