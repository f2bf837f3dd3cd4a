"""Requests of a client of one's own, of whatever protocol, counted with the same truth as those of worker.http.

    from worker.measure import measure

    class Shop(User):
        wait_time = constant_pacing(0.5)  # of worker.pacing

        @task
        def look_up(self):
            with measure(self, "SQL", "look up") as request:
                row = self.connection.execute("SELECT name FROM items WHERE id = %s", (17,)).fetchone()
                request.received_bytes = len(row[0])
                if row[0] != "apple":
                    request.fail("the wrong item")
            if request.failed:
                return  # what comes next needs the row

What is done in the block is one request. While it is on, the request is in flight, and when it is cut off at the end of a run it is
one without an answer. Its latency counts from when the user's task was due where the user is late for it (worker.pacing, arrivals of
the open model, or `due_s`), and from the beginning of the block else. What the block raises is the request's failure, and goes no
further, just as no failure of an HTTP request raises into a task. Exceptions by which Locust is told what to do next
(`StopUser`, `RescheduleTask`, `self.interrupt()`) pass through, and nothing is counted then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gevent import GreenletExit
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from worker.due_task import DueTask
from worker.load.request_event import RequestEvent

_CONTROL_FLOW = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)


class FailedRequestError(Exception):
    """A request has failed, and has been counted as failed."""


class Measurement:
    """One request, while it is measured and after that. `name` may still be set until the block ends."""

    __slots__ = ("counted_as", "failure", "method", "received_bytes", "sent_s")

    def __init__(self, kind: str, name: str, sent_s: float) -> None:
        self.method = kind
        self.counted_as = name
        """The name that it is counted under."""
        self.sent_s: float | None = sent_s
        """When its latency begins, on the monotonic clock."""
        self.received_bytes = 0
        """Bytes of the answer, for whoever knows them to set."""
        self.failure: Exception | None = None
        """What it has failed with; None as long as it has not."""

    def fail(self, reason: str | Exception) -> None:
        """The request has failed, although nothing is raised: the answer is not the one that was wanted, say."""
        self.failure = FailedRequestError(reason) if isinstance(reason, str) else reason

    @property
    def failed(self) -> bool:
        """Whether it has failed."""
        return self.failure is not None


@contextmanager
def measure(
    user: Any,
    kind: str,
    name: str,
    *,
    due_s: float | None = None,
    failures: tuple[type[Exception], ...] = (Exception,),
) -> Iterator[Measurement]:
    """One request of `user`: what is done in the with-block, counted as `kind` (in place of HTTP's methods) and `name`.

    `due_s` is when it should have begun, on the monotonic clock; None: when the user's task was due, if it is late. Exceptions other
    than `failures` pass through, and nothing is counted then: they are faults of the user's code.
    """
    event = user.environment.events.request
    began_s, start_time = time.monotonic(), time.time()
    behind_since_s = due_s
    if due_s is None:
        due_s, behind_since_s = _take_due(user)
    request = Measurement(kind, name, began_s if due_s is None else min(began_s, due_s))
    in_flight = event.in_flight if isinstance(event, RequestEvent) else set()
    in_flight.add(request)
    try:
        yield request
    except GreenletExit:
        if isinstance(event, RequestEvent) and user._state == LOCUST_STATE_STOPPING:  # noqa: SLF001  # Locust keeps it there
            event.note_cut(request, time.monotonic())
        raise
    except _CONTROL_FLOW:
        raise
    except failures as error:
        request.failure = error
    finally:
        in_flight.discard(request)
    assert request.sent_s is not None
    ended_s = time.monotonic()
    late_s = began_s - request.sent_s
    if late_s and behind_since_s is not None and isinstance(event, RequestEvent):
        event.note_behind(behind_since_s, ended_s, 1000 * late_s)
    _fire(user, request, 1000 * (ended_s - request.sent_s), _Timed(None, late_s) if late_s else None, start_time)


def report(
    user: Any,
    kind: str,
    name: str,
    latency_s: float,
    failure: Exception | None = None,
    *,
    received_bytes: int = 0,
    outside_loop: bool = False,
) -> None:
    """Count one request that has ended after `latency_s` seconds, for clients whose answers come when no block is waiting for them.

    With `outside_loop` that is a time without the event loop's lag, such as one taken in another thread or process.
    """
    request = Measurement(kind, name, 0.0)
    request.received_bytes, request.failure = received_bytes, failure
    latency_ms = 1000 * latency_s
    response = _Timed(latency_ms) if outside_loop else None
    _fire(user, request, latency_ms, response, time.time() - latency_s)


def _fire(user: Any, request: Measurement, latency_ms: float, response: Any, start_time: float) -> None:
    event = user.environment.events.request
    context = getattr(user, "context", None)
    if isinstance(event, RequestEvent):
        event.requesting.add(type(user).__name__)
    event.fire(
        request_type=request.method,
        name=request.counted_as,
        response_time=latency_ms,
        response_length=request.received_bytes,
        response=response,
        exception=request.failure and FailedRequestError(describe(request.failure)),
        context={} if context is None else context(),
        start_time=start_time,
        url=None,
    )


def _take_due(user: Any) -> tuple[float | None, float | None]:
    """When the user's task was due, if it is late and no request of it has counted that, and since when the user is behind.

    In the open model only what its arrival has waited for the user is a latency.
    """
    due: DueTask | None = vars(user).get("due_task")
    if due is None or due.intended_s is None:
        return None, None
    if due.waited_s is not None:
        waited_s = due.take_waited_s()
        return (time.monotonic() - waited_s, due.behind_since_s) if waited_s else (None, None)
    if user._state == LOCUST_STATE_WAITING:  # noqa: SLF001  # no request of the task: it has yet to begin
        return None, None
    due_s, due.intended_s = due.intended_s, None
    return due_s, due.behind_since_s


class _Timed:
    """In place of a response: what a recorder takes as the part of the latency before the request began, or as another clock's time."""

    __slots__ = ("kernel_latency_ms", "late_s")

    def __init__(self, kernel_latency_ms: float | None, late_s: float | None = None) -> None:
        self.kernel_latency_ms = kernel_latency_ms
        self.late_s = late_s


def describe(failure: Exception) -> str:
    """A failure as one line: equal ones count as one kind."""
    text = str(failure).strip().partition("\n")[0]
    if isinstance(failure, FailedRequestError):
        return text  # of a part of it, or given by the user's code
    return f"{type(failure).__name__}: {text}" if text else type(failure).__name__
