"""Requests that are no HTTP, counted like those that are: a statement to a database, a connection of another protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gevent import GreenletExit
from locust.user.task import LOCUST_STATE_STOPPING

from worker.load.request_event import RequestEvent


class FailedRequestError(Exception):
    """A request has failed, and has been counted as failed."""


class MeasuredRequest:
    """One request in flight, a worker.load.in_flight.PendingRequest."""

    __slots__ = ("counted_as", "method", "received_bytes", "sent_s")

    def __init__(self, method: str, name: str) -> None:
        self.method = method
        self.counted_as = name
        self.sent_s: float | None = time.monotonic()
        self.received_bytes = 0
        """Bytes of the answer, for whoever knows them to set."""


@contextmanager
def measured(user: Any, method: str, name: str, failures: tuple[type[Exception], ...]) -> Iterator[MeasuredRequest]:
    """One request of `user`: what is done in the with-block, counted as `method` and `name` with its latency.

    One of `failures` in the block, or a failed request that is a part of this one, is its failure, and leaves it as
    FailedRequestError. Other exceptions pass through uncounted: they are faults of the user's code.
    """
    event = user.environment.events.request
    request = MeasuredRequest(method, name)
    in_flight = event.in_flight if isinstance(event, RequestEvent) else set()
    in_flight.add(request)
    failure: Exception | None = None
    counted: tuple[type[Exception], ...] = (FailedRequestError, *failures)
    try:
        yield request
    except counted as error:
        failure = error
    except GreenletExit:
        if isinstance(event, RequestEvent) and user._state == LOCUST_STATE_STOPPING:  # noqa: SLF001  # Locust keeps it there
            event.note_cut(request, time.monotonic())
        raise
    finally:
        in_flight.discard(request)
    assert request.sent_s is not None
    report(user, method, name, time.monotonic() - request.sent_s, failure, received_bytes=request.received_bytes)
    if failure is not None:
        raise FailedRequestError(describe(failure)) from failure


def report(
    user: Any,
    method: str,
    name: str,
    latency_s: float,
    failure: Exception | None = None,
    *,
    received_bytes: int = 0,
    outside_loop: bool = False,
) -> None:
    """Count one request that has ended after `latency_s` seconds, a time without the event loop's lag if it is from `outside_loop`."""
    latency_ms = 1000 * latency_s
    user.environment.events.request.fire(
        request_type=method,
        name=name,
        response_time=latency_ms,
        response_length=received_bytes,
        response=_Timed(latency_ms) if outside_loop else None,
        exception=failure and FailedRequestError(describe(failure)),
        context={},
    )


class _Timed:
    """In place of a response, whose latency a recorder takes as ended by another clock than the process's own."""

    __slots__ = ("kernel_latency_ms",)

    def __init__(self, latency_ms: float) -> None:
        self.kernel_latency_ms = latency_ms


def describe(failure: Exception) -> str:
    """A failure as one line: equal ones count as one kind."""
    text = str(failure).strip().partition("\n")[0]
    if isinstance(failure, FailedRequestError):
        return text  # of a part of it
    return f"{type(failure).__name__}: {text}" if text else type(failure).__name__
