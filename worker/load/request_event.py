"""The request event of a worker, by which every client's requests come to be recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from gevent import getcurrent
from locust import User

from worker.due_task import DueTask
from worker.load.recorder import MAX_RECEIVED_BYTES, Recorder
from worker.load.worker_event import WorkerEvent

MAX_LATENCY_MS = 1e15
"""The longest latency that counts as one: 30,000 years."""
_FOREIGN = object()
_NUMBERS = (float, int)  # made once: `float | int` is a new object each time


class RequestEvent(WorkerEvent):
    """The request event of a worker: it records each request, then calls the listeners.

    A client may call `record` directly while there are no listeners, and spare their many arguments. A client that knows when
    a request begins keeps it in `in_flight` until it has ended.
    """

    def __init__(
        self,
        recorder: Recorder,
        listeners: Iterable[Any] = (),
        on_failure: Callable[[str, Exception], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("request", list(listeners), on_failure)
        self.record = recorder.record
        self.note_behind = recorder.note_behind
        self.in_flight = recorder.in_flight
        self.note_cut = recorder.note_cut
        self.requesting = recorder.requesting
        self._record_without_latency = recorder.record_without_latency
        self._open_model = recorder.open_model
        self._clock = clock

    def fire(self, *, reverse: bool = False, **kwargs: Any) -> None:
        """Record the request, then call the listeners, as Locust's event does.

        Its latency, Locust's `response_time`, counts as ended by the process's own clock, unless it is the
        response's `kernel_latency_ms` (of worker.http): other clients measure in the user's greenlet, after the event loop.
        In the open model the time for which an arrival has waited for its user is added to that of its first request, unless
        the client has done so.
        """
        response = kwargs.get("response")
        kernel_latency_ms = getattr(response, "kernel_latency_ms", _FOREIGN)
        if kernel_latency_ms is _FOREIGN:
            self.requesting.add(_user_class_here())
        latency_ms = kwargs["response_time"]
        received_bytes = _bytes(kwargs.get("response_length"))
        userspace_timed = latency_ms != kernel_latency_ms
        late_ms = 0.0
        if self._open_model:
            late_s = getattr(response, "late_s", None)
            if isinstance(late_s, float):
                late_ms = late_s * 1000
            elif _is_latency(latency_ms):
                late_ms = self._waited_ms()
                latency_ms = kwargs["response_time"] = latency_ms + late_ms
        if _is_latency(latency_ms):
            self.record(
                kwargs["request_type"],
                kwargs["name"],
                latency_ms,
                received_bytes,
                kwargs.get("exception"),
                userspace_timed=userspace_timed,
                late_ms=late_ms,
            )
        else:
            self._record_without_latency(
                kwargs["request_type"], kwargs["name"], latency_ms, received_bytes, kwargs.get("exception")
            )
        if self._handlers:
            super().fire(reverse=reverse, **kwargs)

    def _waited_ms(self) -> float:
        """How long the arrival whose first request has just ended here had waited for its user; 0 for any other request."""
        user = _user_here()
        due: DueTask | None = None if user is None else vars(user).get("due_task")
        if due is None:
            return 0.0
        waited_ms = due.take_waited_s() * 1000
        if waited_ms and due.behind_since_s is not None:
            self.note_behind(due.behind_since_s, self._clock(), waited_ms)
        return waited_ms


def _user_here() -> User | None:
    """The user to whose greenlet the caller belongs; None elsewhere."""
    arguments = getattr(getcurrent(), "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], User) else None


def _user_class_here() -> str:
    """The class of the user to whose greenlet the caller belongs; "" elsewhere."""
    user = _user_here()
    return "" if user is None else type(user).__name__


def _is_latency(latency_ms: Any) -> bool:
    """Whether `latency_ms` can be one: a number of milliseconds that is not negative, and no larger than the wire takes."""
    return isinstance(latency_ms, _NUMBERS) and 0 <= latency_ms <= MAX_LATENCY_MS


def _bytes(length: Any) -> int:
    """A response's length within the wire's bounds; 0 for what is no length."""
    try:
        return min(max(0, int(length or 0)), MAX_RECEIVED_BYTES)
    except (TypeError, ValueError, OverflowError):
        return 0
