"""What a worker measured, per second and endpoint, until it is reported."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from locust.event import EventHook
from locust.stats import RequestStats

from worker.histogram import Tally
from worker.looplag import KEPT_SECONDS, Lags
from worker.wire import EndpointSecond, ErrorCount, Report, WorkerSecond

MAX_ERRORS_PER_REPORT = 100
MAX_ERROR_LENGTH = 300
MAX_NAME_LENGTH = 300
MINOR = 0.01
"""A lag that is less than this share of a lateness is no matter to it: the histograms are no better."""
MAX_BYTES = 1 << 53
"""More than this the wire does not take; it is 9 PB."""


class RequestEvent(EventHook):  # type: ignore[misc]  # Locust is untyped
    """Takes the place of Locust's request event: it counts each request by itself, then tells whoever listens.

    A client that has no need of the listeners' many arguments, as long as there are none, calls `record` at once.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.record = recorder.record
        self.note_behind = recorder.note_behind

    def fire(self, *, reverse: bool = False, **kwargs: Any) -> None:
        """Count the request, then call the listeners, as Locust's event does.

        Its response time counts as ended by the process's own clock, unless it is what the response says of itself
        (`ended_ms` of worker.http's): whoever else fires this measured in the user's greenlet, after the event loop.
        """
        self.record(
            kwargs["request_type"],
            kwargs["name"],
            kwargs["response_time"] or 0.0,
            _bytes(kwargs["response_length"]),
            kwargs.get("exception"),
            own_clock=kwargs["response_time"] != getattr(kwargs.get("response"), "ended_ms", None),
        )
        if self._handlers:
            super().fire(reverse=reverse, **kwargs)


class Recorder(RequestStats):  # type: ignore[misc]  # Locust is untyped
    """Takes the place of Locust's statistics in a worker's environment, so that its runner finds none of its own to send.

    Locust keeps its own unbounded, two-digit statistics by the wall clock; this keeps a mergeable histogram per second of
    the monotonic clock and endpoint, and hands every request over exactly once.
    """

    def __init__(self, lag: Lags, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(use_response_times_cache=False)
        self._lag = lag
        self._clock = clock
        self._seconds: dict[int, dict[tuple[str, str], Tally]] = {}
        self._second = -1  # the one that `_tallies` is of
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._errors: dict[tuple[str, str, str], int] = {}
        self._reported_up_to = int(clock())
        self.requests_total = 0
        """All requests since the worker began; a simulated node's load is taken from it."""

    def record(  # noqa: PLR0917  # names cost, and this is called for each request
        self,
        method: str,
        name: str,
        response_ms: float,
        received_bytes: int,
        error: Any = None,
        now_s: float | None = None,
        own_clock: bool = False,
    ) -> None:
        """Count one request that has ended at `now_s` of the recorder's clock (None: now), failed if `error` is set.

        `own_clock` says that a late event loop has made `response_ms` longer: it was not the kernel that ended it.
        """
        second = int(self._clock() if now_s is None else now_s)
        if second != self._second:
            self._second = second
            self._tallies = self._seconds.setdefault(second, {})
        tally = self._tallies.get((method, name))
        if tally is None:
            tally = self._new_tally(method, name)
        tally.total += 1
        tally.received_bytes += received_bytes
        tally.histogram.add(response_ms)
        self.requests_total += 1
        if own_clock:
            tally.own_clock += 1
        if error:
            tally.failed += 1
            self._note_error(method, name, error)

    def _new_tally(self, method: Any, name: Any) -> Tally:
        tally = self._tallies[_endpoint(method, name)] = self._tallies.get(_endpoint(method, name)) or Tally()
        return tally

    def _note_error(self, method: Any, name: Any, error: Any) -> None:
        key = (*_endpoint(method, name), _text(error)[:MAX_ERROR_LENGTH] or _text(repr(error))[:MAX_ERROR_LENGTH])
        if key not in self._errors and len(self._errors) >= MAX_ERRORS_PER_REPORT:
            key = (*key[:2], f"further errors (only {MAX_ERRORS_PER_REPORT} different ones are kept per report)")
        self._errors[key] = self._errors.get(key, 0) + 1

    def note_behind(self, since_s: float, now_s: float, late_ms: float) -> None:
        """A request that ends now counts `late_ms` from before it was made: its user is behind its schedule since `since_s`.

        What of that is the process's own lateness is the process's lag in this second, too.
        """
        self._lag.carry(since_s, now_s, MINOR * late_ms)

    def note_cut_off(self, users: int) -> None:
        """So many users were ended in the middle of a task: the target may have counted a request that nobody here has."""
        if users:
            key = ("", "user cut off", "its task outlasted the stop timeout; its last request is not counted")
            self._errors[key] = self._errors.get(key, 0) + users

    def take(
        self, users: dict[str, int], *, life: int = 0, number: int = 0, order: int = 0, final: bool = False
    ) -> Report:
        """Everything not reported yet, as report `number`, and forget it. Only whole seconds, unless `final`.

        `users`, `life` and `order` go along as they are.
        """
        now_s = self._clock()
        end = int(now_s) + 1 if final else int(now_s)
        # Idle seconds too: their lag tells whether the worker was fit. A request counted after a final report comes late.
        # Of an hour without a controller, nothing but the requests is told.
        due = set(range(max(self._reported_up_to, end - KEPT_SECONDS), end)).union(
            second for second in self._seconds if second < end
        )
        seconds = [self._take_second(second) for second in sorted(due)]
        self._second = -1  # what is counted from now on, in whatever second, belongs to the next report
        self._reported_up_to = max(end, self._reported_up_to)
        errors = [ErrorCount(*key, count) for key, count in self._errors.items()]
        self._errors.clear()
        return Report(life=life, number=number, order=order, sent_s=now_s, users=users, seconds=seconds, errors=errors)

    def _take_second(self, second: int) -> WorkerSecond:
        lag = self._lag.second(second)
        return WorkerSecond(
            second=second,
            cpu_percent=lag.cpu_percent,
            lag_max_ms=lag.histogram.max_ms,
            lag_buckets=lag.histogram.buckets,
            endpoints=[
                EndpointSecond(
                    method,
                    name,
                    tally.total,
                    tally.failed,
                    min(tally.received_bytes, MAX_BYTES),
                    tally.histogram.max_ms,
                    tally.histogram.buckets,
                    tally.own_clock,
                )
                for (method, name), tally in self._seconds.pop(second, {}).items()
            ],
        )

    def clear_all(self) -> None:
        """Nothing: Locust asks for this at the start of a test, and nothing measured is ever thrown away."""

    def reset_all(self) -> None:
        """Nothing, for the same reason."""


def _endpoint(method: Any, name: Any) -> tuple[str, str]:
    """As the wire takes it: a locustfile may say anything, and none of it may cost a report."""
    return _text(method)[:MAX_NAME_LENGTH], _text(name)[:MAX_NAME_LENGTH]


def _text(what: Any) -> str:
    """`what` as text that can be encoded: half of a surrogate pair, as a cut answer may have, becomes a question mark."""
    try:
        return str(what).encode(errors="replace").decode()
    except Exception:  # noqa: BLE001  # whatever a locustfile's own __str__ raises
        return f"<{type(what).__name__} that can't be shown>"


def _bytes(length: Any) -> int:
    """A response's length as the wire takes it; what is none is 0."""
    try:
        return min(max(0, int(length or 0)), MAX_BYTES)
    except (TypeError, ValueError, OverflowError):
        return 0
