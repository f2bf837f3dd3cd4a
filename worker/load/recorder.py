"""The recorder of a worker's requests, per second and endpoint, until they are reported."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

from locust.stats import RequestStats

from worker.load.histogram import ArrivalTally, EndpointStats, Histogram
from worker.load.in_flight import Endpoint, Pending, PendingRequest, pending_by_endpoint
from worker.load.local_errors import local_error
from worker.load.loop_lag import KEPT_SECONDS, LagSource
from worker.load.unanswered import UnansweredRequests, is_unanswered
from worker.load.user_exceptions import UserExceptions
from worker.printable import printable
from worker.secret_values import without_secrets
from worker.tracing.span import LOST_SPANS
from worker.wire.reports import ArrivalSecond, EndpointSecond, ErrorCount, Report, WorkerSecond

MAX_ERRORS_PER_REPORT = 100
MAX_ERROR_LENGTH = 300
MAX_NAME_LENGTH = 300
MIN_LAG_SHARE = 0.01
"""A lag below this share of a latency is neglected: the histograms are no more exact."""
MAX_RECEIVED_BYTES = 1 << 53
"""The most that the wire takes: 9 PB."""
MAX_END_DELAY_S = 0.5
"""A later state does not count as that at the end of the second."""


class _SecondEnd(NamedTuple):
    """The state of a worker at the end of a second."""

    users: int
    in_flight: dict[Endpoint, Pending]


class _LocalErrors:
    """The requests of one second that failed for lack of a resource of the node."""

    __slots__ = ("count", "first")

    def __init__(self, first: str) -> None:
        self.count = 0
        self.first = first


class Recorder(RequestStats):
    """The recorder of one worker, in place of the statistics of Locust's environment.

    Locust's are unbounded, have two digits, and go by the wall clock. This keeps a mergeable histogram per endpoint and second
    of the monotonic clock, and reports every request exactly once; in the open model every arrival, too.
    """

    def __init__(
        self, lag: LagSource, clock: Callable[[], float] = time.monotonic, *, open_model: bool = False
    ) -> None:
        super().__init__(use_response_times_cache=False)
        self.open_model = open_model
        """Whether service times are kept beside latencies."""
        self._arrivals: dict[int, dict[str, ArrivalTally]] = {}
        self._lag = lag
        self._clock = clock
        self._seconds: dict[int, dict[tuple[str, str], EndpointStats]] = {}
        self._second = -1  # the second of `_stats`
        self._stats: dict[tuple[str, str], EndpointStats] = {}
        self._errors: dict[tuple[str, str, str], int] = {}
        self._reported_up_to = int(clock())
        self._unanswered = UnansweredRequests()
        self._exceptions = UserExceptions()
        self._exceptions_in: Counter[int] = Counter()
        self._local_errors: dict[int, _LocalErrors] = {}
        self._second_ends: dict[int, _SecondEnd] = {}
        self.in_flight: set[PendingRequest] = set()
        """Requests in flight, of clients that know them."""
        self.requesting: set[str] = set()
        """Names of the user classes that have made a request; "" for requests of an unknown user."""
        self.requests_total = 0
        """The number of all requests since the worker started."""

    def record(  # noqa: PLR0917  # names cost, and this is called for each request
        self,
        method: str,
        name: str,
        latency_ms: float,
        received_bytes: int,
        error: Any = None,
        now_s: float | None = None,
        userspace_timed: bool = False,
        late_ms: float = 0.0,
    ) -> None:
        """Record one request that has ended at `now_s` of the recorder's clock (None: now), failed if `error` is set.

        With `userspace_timed` the latency was ended by the process's clock, not the kernel's, and contains the event loop's lag.
        `late_ms` of the latency are no service time: they are from before the request was made.
        """
        if now_s is None:
            now_s = self._clock()
        if error:
            self._record_failure(method, name, latency_ms, received_bytes, error, now_s)
            return
        second = int(now_s)
        if second != self._second:
            self._second = second
            self._stats = self._seconds.setdefault(second, {})
        stats = self._stats.get((method, name))
        if stats is None:
            stats = self._new_stats(method, name)
        stats.total += 1
        stats.received_bytes += received_bytes
        stats.histogram.add(latency_ms)
        self.requests_total += 1
        if userspace_timed:
            stats.userspace_timed += 1
        if stats.service is not None:
            stats.service.add(latency_ms - late_ms)

    def _record_failure(  # noqa: PLR0917  # as record
        self, method: str, name: str, latency_ms: float, received_bytes: int, error: Any, now_s: float
    ) -> None:
        self.requests_total += 1
        self._note_error(method, name, error)
        if isinstance(error, BaseException):
            if is_unanswered(error):
                self._unanswered.add(*_endpoint(method, name), now_s - latency_ms / 1000, now_s)
                return
            lacking = local_error(error)
            if lacking is not None:
                self._local_errors.setdefault(int(now_s), _LocalErrors(lacking)).count += 1
        stats = self._stats_of(method, name, now_s)
        stats.total += 1
        stats.failed += 1
        stats.received_bytes += received_bytes
        if stats.failures is None:
            stats.failures = Histogram()
        stats.failures.add(latency_ms)

    def record_without_latency(
        self, method: str, name: str, latency_ms: Any, received_bytes: int, error: Any = None
    ) -> None:
        """Count one request that has no latency: None, or what is no time such as a negative number.

        It counts as a request, and as a failure if `error` is set, and stays out of the percentiles.
        """
        stats = self._stats_of(method, name, self._clock())
        stats.total += 1
        stats.without_latency += 1
        stats.received_bytes += received_bytes
        self.requests_total += 1
        if latency_ms is not None:
            shown = _text(latency_ms)[:30]
            self._note_error(method, name, f"response_time={shown} is no time in ms: excluded from the percentiles")
        if error:
            stats.failed += 1
            self._note_error(method, name, error)

    def note_cut(self, request: PendingRequest, now_s: float) -> None:
        """A request was cut off because its user was stopped: a failure, if it had gone without an answer for unusually long.

        That is more than WAITING_S and twice the longest latency of its endpoint on this worker; of a younger one
        nobody knows what would have come of it, and the user is counted as cut off instead (`note_cut_users`).
        """
        if request.sent_s is None:
            return
        endpoint = _endpoint(request.method, request.counted_as)
        age_ms = 1000 * (now_s - request.sent_s)
        latest_ms = max(
            (
                by_endpoint[endpoint].histogram.max_ms
                for by_endpoint in self._seconds.values()
                if endpoint in by_endpoint
            ),
            default=0.0,
        )
        if self._unanswered.is_overdue(endpoint, age_ms, latest_ms):
            self.requests_total += 1
            self._note_error(*endpoint, f"no answer after {age_ms / 1000:.0f} s, when its user was stopped")
            self._unanswered.add(*endpoint, request.sent_s, now_s)

    def note_exception(self, user_class: str, error: BaseException, trace: TracebackType | None) -> None:
        """Count an exception that the code of a user did not catch."""
        self._exceptions.note(user_class, error, trace)
        self._exceptions_in[int(self._clock())] += 1

    def arrivals_due(self, due_s: float, user_class: str) -> ArrivalTally:
        """The tally of the arrivals of a user class that are due in the second of `due_s`. It is not to be kept: a report takes it."""
        by_class = self._arrivals.get(int(due_s))
        if by_class is None:
            by_class = self._arrivals[int(due_s)] = {}
        tally = by_class.get(user_class)
        if tally is None:
            tally = by_class[user_class] = ArrivalTally()
        return tally

    def cpu_percent(self, seconds: int) -> float:
        """The worker's CPU use over so many seconds, in percent of a core; 0 where it is not known."""
        end = int(self._clock())
        known = [self._lag.second(second).cpu_percent for second in range(end - seconds, end)]
        used = [percent for percent in known if percent is not None]
        return sum(used) / len(used) if used else 0.0

    def end_second(self, users: int) -> None:
        """Keep the number of `users` that run, and the requests in flight, for the second that has just ended."""
        now_s = self._clock()
        if now_s % 1 <= MAX_END_DELAY_S:
            pending = pending_by_endpoint(self.in_flight, now_s) if self.in_flight else {}
            self._second_ends[int(now_s) - 1] = _SecondEnd(users, pending)
            while len(self._second_ends) > KEPT_SECONDS:
                del self._second_ends[next(iter(self._second_ends))]

    def _stats_of(self, method: Any, name: Any, now_s: float) -> EndpointStats:
        by_endpoint = self._seconds.setdefault(int(now_s), {})
        stats = by_endpoint.get(_endpoint(method, name))
        if stats is None:
            stats = by_endpoint[_endpoint(method, name)] = self._empty_stats()
        return stats

    def _empty_stats(self) -> EndpointStats:
        return EndpointStats(service=Histogram() if self.open_model else None)

    def _new_stats(self, method: Any, name: Any) -> EndpointStats:
        stats = self._stats[_endpoint(method, name)] = self._stats.get(_endpoint(method, name)) or self._empty_stats()
        return stats

    def _note_error(self, method: Any, name: Any, error: Any) -> None:
        error = getattr(error, "counted_as", error)
        key = (*_endpoint(method, name), _text(error)[:MAX_ERROR_LENGTH] or _text(repr(error))[:MAX_ERROR_LENGTH])
        if key not in self._errors and len(self._errors) >= MAX_ERRORS_PER_REPORT:
            key = (*key[:2], f"further errors (only {MAX_ERRORS_PER_REPORT} different ones are kept per report)")
        self._errors[key] = self._errors.get(key, 0) + 1

    def note_behind(self, since_s: float, now_s: float, late_ms: float) -> None:
        """A request that ends now counts `late_ms` from before it was made: its user is behind its schedule since `since_s`.

        What of that is the process's own lateness is the process's lag in this second, too.
        """
        self._lag.carry(since_s, now_s, MIN_LAG_SHARE * late_ms)

    def note_cut_users(self, users: int) -> None:
        """So many users were ended in the middle of a task: the target may have counted a request that nobody here has."""
        if users:
            key = ("", "user cut off", "its task outlasted the stop timeout; its last request is not counted")
            self._errors[key] = self._errors.get(key, 0) + users

    def note_lost_spans(self, reason: str, spans: int) -> None:
        """So many spans of traced requests do not reach the collector, for this reason. The requests themselves count as ever."""
        key = ("", LOST_SPANS, reason)
        self._errors[key] = self._errors.get(key, 0) + spans

    def note_refused_deal(self) -> None:
        """A deal of arrivals was refused: the worker starts none of them."""
        key = ("", "arrivals", "a deal of the controller's was refused; the worker's log says why")
        self._errors[key] = self._errors.get(key, 0) + 1

    def make_report(
        self, users: dict[str, int], *, incarnation: int = 0, number: int = 0, order: int = 0, final: bool = False
    ) -> Report:
        """Take everything that has not been reported yet, as report `number`. Only whole seconds, unless `final`.

        `users`, `incarnation` and `order` are fields of the report.
        """
        now_s = self._clock()
        end = int(now_s) + 1 if final else int(now_s)
        # Idle seconds too: their lag shows whether the worker was fit. A request counted after a final report comes late.
        # After an hour without a controller only the requests of that time are reported.
        due = set(range(max(self._reported_up_to, end - KEPT_SECONDS), end)).union(
            second
            for kept in (self._seconds, self._exceptions_in, self._local_errors, self._arrivals)
            for second in kept
            if second < end
        )
        seconds = [self._make_second(second) for second in sorted(due)]
        self._second = -1  # what is counted from now on, in whatever second, belongs to the next report
        self._reported_up_to = max(end, self._reported_up_to)
        errors = [ErrorCount(*key, count) for key, count in self._errors.items()]
        self._errors.clear()
        return Report(
            incarnation=incarnation,
            number=number,
            order=order,
            sent_s=now_s,
            users=users,
            seconds=seconds,
            errors=errors,
            unanswered=self._unanswered.pop_all(),
            exceptions=self._exceptions.pop_all(),
            requesting=sorted(self.requesting),
        )

    def _make_second(self, second: int) -> WorkerSecond:
        lag = self._lag.second(second)
        second_end = self._second_ends.pop(second, None)
        by_endpoint = self._seconds.pop(second, {})
        pending = (
            {} if second_end is None else {_endpoint(*key): pending for key, pending in second_end.in_flight.items()}
        )
        lacking = self._local_errors.pop(second, None)
        for endpoint, stats in by_endpoint.items():
            self._unanswered.note_answered(endpoint, stats.histogram.max_ms)
        return WorkerSecond(
            second=second,
            cpu_percent=lag.cpu_percent,
            lag_max_ms=lag.histogram.max_ms,
            lag_buckets=dict(lag.histogram.buckets),  # a stall may add to it while the report waits to be sent again
            endpoints=[
                _endpoint_second(endpoint, by_endpoint.get(endpoint) or EndpointStats(), pending.get(endpoint))
                for endpoint in dict.fromkeys((*by_endpoint, *pending))
            ],
            users=None if second_end is None else second_end.users,
            local_errors=0 if lacking is None else lacking.count,
            local_error="" if lacking is None else lacking.first,
            exceptions=self._exceptions_in.pop(second, 0),
            arrivals=[_arrival_second(name, tally) for name, tally in self._arrivals.pop(second, {}).items()],
        )

    def clear_all(self) -> None:
        """Does nothing. Locust calls this at the start of a test, and nothing recorded is ever dropped."""

    def reset_all(self) -> None:
        """Does nothing, as `clear_all`."""


def _endpoint_second(endpoint: Endpoint, stats: EndpointStats, pending: Pending | None) -> EndpointSecond:
    failures = stats.failures or Histogram()
    row = EndpointSecond(
        *endpoint,
        stats.total,
        stats.failed,
        min(stats.received_bytes, MAX_RECEIVED_BYTES),
        stats.histogram.max_ms,
        stats.histogram.buckets,
        stats.userspace_timed,
        failures.max_ms,
        failures.buckets,
        stats.without_latency,
    )
    if stats.service is not None:
        row.service_max_ms, row.service_buckets = stats.service.max_ms, stats.service.buckets
    if pending is not None:
        row.in_flight, row.waiting_max_ms, row.waiting_buckets = (
            pending.count,
            pending.ages.max_ms,
            pending.ages.buckets,
        )
    return row


def _arrival_second(user_class: str, tally: ArrivalTally) -> ArrivalSecond:
    lateness = tally.lateness
    return ArrivalSecond(
        user_class, tally.started, tally.missed, tally.late, tally.given_up, lateness.max_ms, lateness.buckets
    )


def _endpoint(method: Any, name: Any) -> tuple[str, str]:
    """Method and name within the wire's bounds, whatever a locustfile has passed: no report may be lost for it."""
    return _text(method)[:MAX_NAME_LENGTH], _text(name)[:MAX_NAME_LENGTH]


def _text(what: Any) -> str:
    """`what` as text that can be encoded: half of a surrogate pair, as a cut answer may have, becomes a question mark."""
    try:
        return printable(without_secrets(str(what).encode(errors="replace").decode()))
    except Exception:  # noqa: BLE001  # whatever a locustfile's own __str__ raises
        return f"<{type(what).__name__} that can't be shown>"
