"""One second of a run as it is judged: live, by a controller that takes a run over, and for the verdict. Pure.

`SecondFacts` gathers what is known of a second, from the reports of workers or from run.db. What it comes to, and so what a
threshold sees of the second, is decided by `SecondFacts.judged` alone:

- a second is judged when it is steady;
- requests count whoever made them; latencies count when their worker was fit (see master.judge.seconds.unfit), else they are excluded;
- users are known when every worker that reported the second said how many it ran;
- requests that wait for an answer when a hold ends count when they end, in the hold's last second;
- arrivals of the open model count in the second in which they were due. One that found no user free is the target's where its worker
  was fit; what a worker that was not fit has missed, or given up, is the generator's.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import NamedTuple

from master.scenario.rules import Endpoint
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram

_NO_AGES: Mapping[Endpoint, Histogram] = {}
_NONE_EXCLUDED: Mapping[Endpoint, EndpointStats] = {}


class WorkerFacts(NamedTuple):
    """What a worker, or all of them together, reported of itself at the end of a second."""

    users: int | None
    """Users that ran; None when that is not known."""
    in_flight: int
    """Requests without an answer."""
    exceptions: int
    """Exceptions that the code of users let through in the second."""
    local_errors: int = 0
    """Requests that failed for want of something on the node itself."""


class InFlightRequests:
    """Requests of one endpoint that had not been answered at the end of one second."""

    __slots__ = ("ages", "count")

    def __init__(self) -> None:
        self.count = 0
        self.ages = Histogram()
        """Of those that had been waiting for worker.wire.messages.WAITING_S or longer, in ms."""

    def add(self, count: int, ages: Histogram) -> None:
        """Add those of a worker."""
        self.count += count
        self.ages.merge(ages)


class ArrivalCounts(NamedTuple):
    """Arrivals of the open model in a span of time, by what became of them."""

    offered: int
    """Those due by the schedule of the whole fleet."""
    started: int
    no_free_user: int
    """Those that no user of a fit worker was free for."""
    unfit_missed: int = 0
    """Those that no user of a worker was free for that was not fit: by whose fault, nobody knows."""


class JudgedSecond(NamedTuple):
    """One steady second as thresholds see it. What it holds must not change afterwards."""

    second: int
    tallies: Mapping[Endpoint, EndpointStats]
    """Counts of all requests that ended in it; latencies of those whose worker was fit."""
    users: float | None = None
    """Users that ran; None when that is not known."""
    exceptions: int = 0
    """Exceptions that the code of users let through."""
    waiting: Mapping[Endpoint, Histogram] = _NO_AGES
    """Ages in ms of the requests that were in flight at its end and had been for a second or longer."""
    excluded: Mapping[Endpoint, EndpointStats] = _NONE_EXCLUDED
    """Latencies and service times, without counts, that are in no tally, since their worker was unfit."""
    arrivals: ArrivalCounts | None = None
    """Arrivals that were due in it; None in the closed model, or where nothing is known of them."""


class SecondFacts:
    """What is known of one second of a run."""

    __slots__ = ("arrivals", "fit", "in_flight", "offered", "unfit", "workers")

    def __init__(self) -> None:
        self.fit: dict[Endpoint, EndpointStats] = {}
        """Requests of workers that were fit."""
        self.unfit: dict[Endpoint, EndpointStats] = {}
        """Those of the others."""
        self.in_flight: dict[Endpoint, InFlightRequests] = {}
        self.workers: dict[str, WorkerFacts] = {}
        """By worker; what run.db adds up is under an empty name."""
        self.offered: int | None = None
        """Arrivals due in the second by the schedule of the whole fleet; None in the closed model, or where that was not kept."""
        self.arrivals: dict[tuple[str, bool], ArrivalTally] = {}
        """What workers made of them, by user class and by whether the worker was fit."""

    def add_requests(self, endpoint: Endpoint, tally: EndpointStats, *, fit: bool) -> None:
        """Add requests that ended in the second, and whether their worker was fit."""
        (self.fit if fit else self.unfit).setdefault(endpoint, EndpointStats()).merge(tally)

    def add_in_flight(self, endpoint: Endpoint, count: int, ages: Histogram) -> None:
        """Add requests that were in flight at its end, and the `ages` in ms of those that had been for a second or longer."""
        self.in_flight.setdefault(endpoint, InFlightRequests()).add(count, ages)

    def add_arrivals(self, user_class: str, tally: ArrivalTally, *, fit: bool) -> None:
        """Add arrivals of a user class that were due in the second, and whether their worker was fit."""
        self.arrivals.setdefault((user_class, fit), ArrivalTally()).merge(tally)

    @property
    def users(self) -> int | None:
        """Users of all workers; None when a worker did not say, or none reported."""
        users = [row.users for row in self.workers.values()]
        known = [count for count in users if count is not None]
        return sum(known) if users and len(known) == len(users) else None

    @property
    def requests_in_flight(self) -> int:
        """Requests in flight at its end, by what workers say of themselves."""
        return sum(row.in_flight for row in self.workers.values())

    @property
    def exceptions(self) -> int:
        """Exceptions that the code of users let through."""
        return sum(row.exceptions for row in self.workers.values())

    @property
    def local_errors(self) -> int:
        """Requests that failed for want of something on a node itself."""
        return sum(row.local_errors for row in self.workers.values())

    def waiting(self) -> dict[Endpoint, Histogram]:
        """Ages in ms of requests that were in flight at its end and had been for a second or longer."""
        return {endpoint: row.ages for endpoint, row in self.in_flight.items() if row.ages.buckets}

    def tallies(self) -> dict[Endpoint, EndpointStats]:
        """Counts of all requests, latencies of those whose worker was fit."""
        made = dict(self.fit)
        for endpoint, tally in self.unfit.items():
            fit = made.get(endpoint)
            made[endpoint] = _counts_of(tally)
            if fit is not None:
                made[endpoint].merge(fit)
        return made

    def arrival_counts(self) -> ArrivalCounts | None:
        """The arrivals that were due in it; None in the closed model, or where nothing is known of them."""
        if self.offered is None and not self.arrivals:
            return None
        decided = sum(tally.decided for tally in self.arrivals.values())
        return ArrivalCounts(
            decided if self.offered is None else self.offered,
            sum(tally.started for tally in self.arrivals.values()),
            sum(tally.missed for (_, fit), tally in self.arrivals.items() if fit),
            sum(tally.missed for (_, fit), tally in self.arrivals.items() if not fit),
        )

    def judged(self, second: int, steady: Container[int]) -> JudgedSecond | None:
        """What is judged of it, being this `second` of a run; None when it is not steady."""
        if second not in steady:
            return None
        return JudgedSecond(
            second,
            self.tallies(),
            self.users,
            self.exceptions,
            self.waiting() if second + 1 in steady else _NO_AGES,
            {
                endpoint: EndpointStats(
                    histogram=tally.histogram, service=tally.service, userspace_timed=tally.userspace_timed
                )
                for endpoint, tally in self.unfit.items()
            },
            self.arrival_counts(),
        )


def _counts_of(tally: EndpointStats) -> EndpointStats:
    """All of a tally but how long its requests took."""
    return EndpointStats(
        tally.total,
        tally.failed,
        tally.received_bytes,
        None,
        tally.userspace_timed,
        unanswered=tally.unanswered,
        without_latency=tally.without_latency,
    )
