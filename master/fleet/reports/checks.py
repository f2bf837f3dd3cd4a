"""What of a worker's reports can have been. Pure; times are parameters.

A key says who a node is, not that what it says is true. One node must not decide the verdict, nor one report destroy the
result: so what contradicts itself is refused, and so is more than a worker can have done with the users that it was given in
the time that has passed. What is refused is dropped, second by second, and the rest of its report counts.

What a node says within these bounds counts. They are for what no worker can have measured, whatever its users do; not
for what is merely unlikely.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from worker.load.histogram import GAMMA, LAST_BUCKET
from worker.load.loop_lag import KEPT_SECONDS, PROBES_PER_SECOND
from worker.telemetry.pi.models import find_model
from worker.wire.messages import Facts
from worker.wire.reports import ArrivalSecond, EndpointSecond, Unanswered, WorkerSecond

MAX_REQUESTS_PER_S = 100_000
"""Of one worker, which is one process of Python, on a server's core. worker.http's HttpUser makes 17 200 there at 58 µs of CPU
each, wrk 89 000 at 11 µs (docs/benchmarks/costs.md); a board's core makes fewer by as much as it is slower."""
MAX_PROBES = 2 * PROBES_PER_SECOND + KEPT_SECONDS
"""Of a worker's loop in one second: twice those planned, after a stall, and one for each second that it was behind by."""
MAX_IN_FLIGHT_PER_USER = 100
"""Requests that one user has in flight at once: one, where its task has no greenlets of its own; browsers have six to a host."""
EARLY_S = 1.0
"""Requests can't be from before the load began. Should the clocks say so by no more than this, none is lost."""
SECOND_TWICE = "a second twice in one report, or out of order"
ENDPOINT_TWICE = "an endpoint twice in one second"
COUNTS_DISAGREE = "counts of requests that contradict each other"
TIMES_DISAGREE = "times that contradict each other"
TOO_MANY_PROBES = "more probes of the event loop than a second has"
TOO_MANY_REQUESTS = "more requests than a worker can make"
NOT_YET = "a second that has not come yet"
TOO_EARLY = "a second before the run"
NO_USERS = "requests of a worker without users"
TOO_MANY_IN_FLIGHT = "more requests in flight than users can have"
OLDER_THAN_RUN = "requests in flight for longer than the run"
TOO_MANY_USERS = "users that were not ordered"
TOO_MANY_ERRORS = "more errors than requests"
CLASS_TWICE = "a user class twice in one second"
TOO_MANY_ARRIVALS = "arrivals that were not dealt"


def max_requests_per_s(facts: Facts | None) -> float:
    """How many requests a worker of a node that says `facts` of itself can end in a second, at limits.

    A simulated board's are made by this machine, and of an unknown one nobody knows how fast it is.
    """
    board = None if facts is None or facts.simulated else find_model(facts.model)
    return MAX_REQUESTS_PER_S / (1.0 if board is None else board.cpu_s_per_x86_cpu_s)


def check_histogram(buckets: Mapping[int, int], max_ms: float) -> str | None:
    """What is wrong with a histogram by itself, None if nothing: its longest time is in its highest bucket."""
    if not math.isfinite(max_ms) or (buckets and max_ms < _MIN_MAX_MS[max(buckets)]):
        return TIMES_DISAGREE
    return None


_MIN_MAX_MS = [0.0, *((1 - 1e-9) * GAMMA ** (bucket - 1) / 1000 for bucket in range(1, LAST_BUCKET + 1))]
"""The lower edge of each bucket, less what rounding may do."""


def check_endpoint(entry: EndpointSecond) -> str | None:
    """What is wrong with one endpoint's second by itself, None if nothing."""
    # This is done some thousand times a second; most seconds have neither failures nor requests that wait for long.
    answered = sum(entry.buckets.values())
    failures = sum(entry.failed_buckets.values()) if entry.failed_buckets else 0
    waiting = sum(entry.waiting_buckets.values()) if entry.waiting_buckets else 0
    if (
        answered + failures + entry.without_latency != entry.total
        or not failures <= entry.failed <= failures + entry.without_latency
        or entry.userspace_timed > answered
        or waiting > entry.in_flight
        or (entry.service_buckets and sum(entry.service_buckets.values()) != answered)
    ):
        return COUNTS_DISAGREE
    return (
        check_histogram(entry.buckets, entry.max_ms)
        or ((failures or entry.failed_max_ms) and check_histogram(entry.failed_buckets, entry.failed_max_ms))
        or ((waiting or entry.waiting_max_ms) and check_histogram(entry.waiting_buckets, entry.waiting_max_ms))
        or (
            (entry.service_buckets or entry.service_max_ms)
            and check_histogram(entry.service_buckets, entry.service_max_ms)
        )
        or None
    )


def check_arrivals(rows: Sequence[ArrivalSecond]) -> str | None:
    """What is wrong with the arrivals of one second by themselves, None if nothing."""
    if len({row.user_class for row in rows}) < len(rows):
        return CLASS_TWICE
    for row in rows:
        if row.late > row.started or sum(row.lateness_buckets.values()) != row.started:
            return COUNTS_DISAGREE
        fault = check_histogram(row.lateness_buckets, row.lateness_max_ms)
        if fault:
            return fault
    return None


class WorkerLimits(NamedTuple):
    """The most that one worker can have done in one second."""

    requests: float
    users: int

    @property
    def in_flight(self) -> int:
        """Requests in flight at once."""
        return MAX_IN_FLIGHT_PER_USER * self.users


def check_second(row: WorkerSecond, limits: WorkerLimits) -> str | None:
    """What is wrong with one second of a worker, None if nothing. Its users are another matter."""
    return _check_parts(row) or _check_sums(row, limits)


def _check_parts(row: WorkerSecond) -> str | None:
    if sum(row.lag_buckets.values()) > MAX_PROBES:
        return TOO_MANY_PROBES
    fault = check_histogram(row.lag_buckets, row.lag_max_ms)
    if fault:
        return fault
    for entry in row.endpoints:
        fault = check_endpoint(entry)
        if fault:
            return fault
    if len(row.endpoints) > 1 and len({(entry.method, entry.name) for entry in row.endpoints}) < len(row.endpoints):
        return ENDPOINT_TWICE
    return check_arrivals(row.arrivals) if row.arrivals else None


def _check_sums(row: WorkerSecond, limits: WorkerLimits) -> str | None:
    requests = failed = in_flight = 0
    for entry in row.endpoints:
        requests += entry.total
        failed += entry.failed
        in_flight += entry.in_flight
    if row.local_errors > failed:
        return COUNTS_DISAGREE
    if max(requests, row.exceptions) > limits.requests:
        return TOO_MANY_REQUESTS if limits.requests else NO_USERS
    if in_flight > limits.in_flight:
        return TOO_MANY_IN_FLIGHT if limits.users else NO_USERS
    return None


def check_unanswered(row: Unanswered, limits: WorkerLimits) -> str | None:
    """What is wrong with requests that got no answer, None if nothing.

    Nothing is to be made of their ages and the seconds in which they were sent: a user's own client may tell of any times.
    """
    if row.sent > row.ended:
        return TIMES_DISAGREE
    if row.total != sum(row.buckets.values()):
        return COUNTS_DISAGREE
    if row.total > limits.requests:
        return TOO_MANY_REQUESTS if limits.requests else NO_USERS
    return check_histogram(row.buckets, row.max_ms)


def check_time(second: int, offset_s: float, error_s: float) -> str | None:
    """What is wrong with when a second of the run was, which is at `offset_s` now; the node's clock is known to `error_s`."""
    if second > offset_s + 1:
        return NOT_YET
    return TOO_EARLY if second + 1 + error_s < -EARLY_S else None


def check_ages(row: WorkerSecond, second: int, error_s: float) -> str | None:
    """What is wrong with the ages of requests in flight in a second of the run: none was sent before it began."""
    oldest_ms = max((entry.waiting_max_ms for entry in row.endpoints), default=0.0)
    return OLDER_THAN_RUN if oldest_ms > 1000 * (second + 1 + EARLY_S + error_s) else None


def requests_of(row: WorkerSecond) -> int:
    """How many requests a worker has ended in a second."""
    return sum(entry.total for entry in row.endpoints)
