"""What the workers' reports leave as credible, after all that was ordered and reported before. Pure; times are parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from master.fleet.ordered_users import OrderedUsers
from master.fleet.refusals import Refusals
from master.fleet.reports.checks import (
    SECOND_TWICE,
    TOO_MANY_ARRIVALS,
    TOO_MANY_ERRORS,
    TOO_MANY_REQUESTS,
    TOO_MANY_USERS,
    WorkerLimits,
    check_ages,
    check_second,
    check_time,
    check_unanswered,
    max_requests_per_s,
    requests_of,
)
from master.fleet.reports.unreported_arrivals import UnreportedArrivals
from worker.wire.messages import Facts, node_of
from worker.wire.reports import ArrivalSecond, ErrorCount, ExceptionCount, Report, Unanswered, WorkerSecond

CREDIT_S = 2.0
"""Requests that come late report their second again. Of what a worker could have made and has not reported, so much may come then."""
ERRORS_PER_REQUEST = 2
"""That it failed, and that its response time was none."""

_Counted = TypeVar("_Counted", ErrorCount, ExceptionCount)


class ReportClock(NamedTuple):
    """How the times of a report are to be read."""

    second_of: Callable[[int], int]
    """Which second of the run one of the worker's clock is; below 0 before the load began."""
    offset_s: float
    """How long the load has been on."""
    error_s: float
    """By how much `second_of` can be wrong."""


class CredibleReport(NamedTuple):
    """What is left of a report."""

    seconds: list[tuple[int, WorkerSecond]]
    """With the second of the run that each is."""
    unanswered: list[tuple[int, int, Unanswered]]
    """With the seconds of the run in which they were sent and given up."""


class CredibleReports:
    """Holds what workers report against what they can have done. What is not credible is noted as refused, and dropped."""

    def __init__(
        self,
        classes: Iterable[str],
        stop_timeout_s: float,
        refusals: Refusals,
        *,
        earlier_users: int = 0,
        earlier_arrivals: int = 0,
        until_s: float = 0.0,
    ) -> None:
        """`classes` are the run's user classes.

        `earlier_users` is how many users of each another controller may have ordered in this run: until `until_s` workers may report
        those, and of their requests at any time. 0: there was no other. `earlier_arrivals` is how many arrivals it has dealt of
        which nothing is stored yet.
        """
        self._classes = frozenset(classes)
        self._earlier_users = earlier_users
        self._until_s = until_s
        self._refusals = refusals
        self._ordered: defaultdict[str, OrderedUsers] = defaultdict(lambda: OrderedUsers(stop_timeout_s))
        self._dealt = UnreportedArrivals(earlier_arrivals)
        self._reported: dict[str, tuple[int, float]] = {}
        """Of each worker the latest second of the run that it reported, and how many requests it may add to the past."""

    def order(self, worker: str, users: Mapping[str, int], now_s: float) -> None:
        """A worker was ordered to run these users."""
        self._ordered[worker].order(users, now_s)

    def deal(self, worker: str, arrivals: Mapping[str, int]) -> None:
        """A worker was dealt so many arrivals of each user class."""
        self._dealt.deal(worker, arrivals)

    def users(self, worker: str, users: Mapping[str, int], now_s: float) -> dict[str, int]:
        """Of the users that a worker says that it runs, those that it can be running."""
        ordered = self._ordered[worker]
        earlier_users = self._earlier_users if now_s < self._until_s else 0
        credible = {
            name: min(count, max(earlier_users, ordered.max_users(name, now_s)))
            for name, count in users.items()
            if name in self._classes
        }
        if any(count > credible.get(name, 0) for name, count in users.items()):
            self._refusals.note(node_of(worker), TOO_MANY_USERS)
        return credible

    def limits(self, worker: str, facts: Facts | None, now_s: float) -> WorkerLimits:
        """What a worker can have done in a second: its core's requests, and one that each of its users had under way."""
        users = max(self._ordered[worker].total(now_s), self._earlier_users * len(self._classes))
        return WorkerLimits(max_requests_per_s(facts) + users if users else 0.0, users)

    def report(self, worker: str, report: Report, limits: WorkerLimits, clock: ReportClock) -> CredibleReport:
        """What is left of the seconds of a report, and of its requests without an answer."""
        seconds, unanswered = [], []
        report.requesting = [name for name in report.requesting if not name or name in self._classes]
        before = -1
        for row in report.seconds:
            second = clock.second_of(row.second)
            fault = SECOND_TWICE if row.second <= before else check_second(row, limits)
            before = max(before, row.second)
            if not fault and second < 0 and not row.endpoints and not row.arrivals:
                continue  # it was idle before the load began
            fault = (
                fault
                or check_time(second, clock.offset_s, clock.error_s)
                or check_ages(row, second, clock.error_s)
                or self._check_rate(worker, max(0, second), requests_of(row), limits)
                or self._check_dealt(worker, row.arrivals)
            )
            if not self._refuse(worker, fault):
                self._bound_users(worker, row, limits)
                seconds.append((max(0, second), row))
        for requests in report.unanswered:
            sent, ended = clock.second_of(requests.sent), clock.second_of(requests.ended)
            fault = (
                check_unanswered(requests, limits)
                or check_time(ended, clock.offset_s, clock.error_s)
                or self._check_rate(worker, max(0, ended), requests.total, limits)
            )
            if not self._refuse(worker, fault):
                unanswered.append((max(0, sent), max(0, ended), requests))
        return CredibleReport(seconds, unanswered)

    def counts(self, worker: str, rows: Iterable[_Counted], report: Report, limits: WorkerLimits) -> Iterator[_Counted]:
        """Errors or exceptions of a report, but those that are more than its requests can have met.

        Its requests are of its seconds, and of one that is not over yet.
        """
        left = ERRORS_PER_REQUEST * limits.requests * (1 + len(report.seconds))
        for row in rows:
            if not self._refuse(worker, TOO_MANY_ERRORS if row.count > left else None):
                left -= row.count
                yield row

    def _refuse(self, worker: str, fault: str | None) -> bool:
        if fault:
            self._refusals.note(node_of(worker), fault)
        return fault is not None

    def _bound_users(self, worker: str, row: WorkerSecond, limits: WorkerLimits) -> None:
        if row.users is not None and row.users > limits.users:
            self._refuse(worker, TOO_MANY_USERS)
            row.users = limits.users

    def _check_dealt(self, worker: str, rows: Sequence[ArrivalSecond]) -> str | None:
        """What is wrong with arrivals after all that was dealt and reported; if nothing, they count as reported."""
        known = all(row.user_class in self._classes for row in rows)
        return None if known and self._dealt.take(worker, rows) else TOO_MANY_ARRIVALS

    def _check_rate(self, worker: str, second: int, requests: int, limits: WorkerLimits) -> str | None:
        """What is wrong with a second of the run after all that the worker has reported before; if nothing, it counts as reported."""
        latest, credit = self._reported.get(worker, (-1, CREDIT_S * limits.requests))
        if second > latest:
            credit = min(CREDIT_S * limits.requests, credit + limits.requests)
            latest = second
        if requests > credit:
            return TOO_MANY_REQUESTS
        self._reported[worker] = (latest, credit - requests)
        return None
