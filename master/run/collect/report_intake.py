"""Accepting the reports of workers. Pure but for what it writes to run.db; `now_s` is on the monotonic clock."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from functools import partial
from typing import Protocol

import msgspec

from master.data.handout import RowsHandout
from master.fleet.refusals import Refusals
from master.fleet.registry import Node, Registry
from master.fleet.reports.checks import NOT_YET
from master.fleet.reports.credible_reports import CredibleReports, ReportClock
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.second_facts import WorkerFacts
from master.judge.seconds.unfit import NodeCondition, judge_worker
from master.run.checkpoint import Checkpoint
from master.run.collect.latest_seconds import LatestSeconds
from master.run.collect.report_acks import ReportAcks
from master.run.collect.timeline import RunTimeline
from master.run.collect.user_classes import UserClasses
from master.scenario import Scenario
from master.store import ErrorRow, ExceptionRow, FitnessRow, Store
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram
from worker.printable import printable
from worker.wire.messages import ProjectMessage, Ready, node_of, number_of
from worker.wire.reports import ArrivalSecond, EndpointSecond, Report, Unanswered, WorkerSecond

FIT_SECONDS_KEPT = 4
"""Seconds of a worker for which it is kept whether it was fit: where a rule ends a load, the latest reported may not be judged."""
EARLY_REPORTS = 5
"""Reports of a node that are kept while its clock is not known."""
EARLIER_ORDERS_S = 60.0
"""So long after another controller has taken a run over, workers may still run users by the orders of the one before."""


class ProjectListener(Protocol):
    """The master side of a Locust project, which hears what workers report."""

    def on_report(self, worker: str, report: Report) -> None:
        """A report was accepted."""

    def on_message(self, worker: str, message: ProjectMessage) -> None:
        """The locustfile on a worker has sent a message."""

    def on_error(self, method: str, name: str, error: str, count: int) -> None:
        """An error at an endpoint was stored; without one an exception of the users' code."""

    def note_halt(self, reason: str) -> None:
        """The locustfile on a worker ends the run, as a normal end of the test."""


class ReportIntake:
    """Reports of all workers: their seconds become seconds of the run, and are judged for the worker's fitness."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        scenario: Scenario,
        *,
        timeline: RunTimeline,
        fitness: FitnessLog,
        seconds: LatestSeconds,
        refusals: Refusals,
        dropped: Counter[str],
        data: RowsHandout,
        earlier: Checkpoint | None,
        now_s: float,
    ) -> None:
        """`dropped` counts, by reason, what is dropped; `earlier` is where another controller left the run."""
        self.report_acks = ReportAcks(store.reports(), dropped)
        self.user_classes = UserClasses()
        self._store = store
        self._registry = registry
        self._limits, self._period_s = scenario.validity, scenario.sample_period_s
        self._timeline = timeline
        self._fitness = fitness
        self._seconds = seconds
        self._refusals = refusals
        self._data = data
        # In a run that goes on, workers may run what another controller has ordered, until this one's orders have reached them.
        self._credible = CredibleReports(
            scenario.users,
            scenario.stop_timeout_s,
            refusals,
            earlier_users=0 if earlier is None else max(scenario.max_users, earlier.users_peak),
            earlier_arrivals=0 if earlier is None else _unreported_arrivals(earlier, store),
            until_s=now_s + scenario.stop_timeout_s + EARLIER_ORDERS_S,
        )
        self.project: ProjectListener | None = None
        """The master side of the Locust project; None without one."""
        self.unwritten: list[FitnessRow] = []
        """What is not in run.db yet; whoever writes it empties the list."""
        self._measured: dict[str, int] = {}
        """The latest second of its own clock that each worker has reported its fitness of."""
        self._was_fit: defaultdict[str, dict[int, bool]] = defaultdict(dict)
        """Whether each worker was fit, in the latest steady seconds that it has reported."""
        self._early: dict[str, deque[tuple[str, Report]]] = {}
        """Reports of nodes whose clock is not known yet."""

    def join(self, worker: str, ready: Ready) -> int:
        """A worker has joined; the number of the last of its reports that was accepted."""
        if self.report_acks.incarnation_of(worker) != ready.incarnation:
            self._measured.pop(worker, None)
        return self.report_acks.join(worker, ready.incarnation, ready.first)

    def order(self, worker: str, users: Mapping[str, int], now_s: float) -> None:
        """A worker is ordered to run so many users of each class."""
        self._credible.order(worker, users, now_s)

    def deal(self, worker: str, arrivals: Mapping[str, int]) -> None:
        """A worker is dealt so many arrivals of each user class."""
        self._credible.deal(worker, arrivals)

    def credible_users(self, worker: str, users: Mapping[str, int], now_s: float) -> Mapping[str, int]:
        """Of the users that a worker says that it runs, those that it can be running."""
        return self._credible.users(worker, users, now_s)

    def accept_early(self, name: str, now_s: float) -> None:
        """Accept the reports of a node that have waited for its clock, if it is known now."""
        if name in self._early and self._registry.nodes[name].clock.error_s is not None:
            for worker, report in self._early.pop(name):
                self.accept(worker, report, now_s)

    def accept(self, worker: str, report: Report, now_s: float) -> None:
        """A worker has reported: sort its seconds into those of the run, and exclude what it measured while unfit."""
        name = node_of(worker)
        node = self._registry.nodes[name]
        error_s = node.clock.error_s
        if error_s is None:
            # It may have been kept for long, so that its own times say nothing yet. What gets lost here is sent again.
            self._early.setdefault(name, deque(maxlen=EARLY_REPORTS)).append((worker, report))
            return
        if not self.report_acks.accept(worker, report.incarnation, report.number):
            return
        if node.clock.to_local(report.sent_s) > now_s + error_s + 1:
            self._refusals.note(name, NOT_YET)  # credible, it would move the clock of the whole node
        else:
            node.clock.observe(report.sent_s, now_s)
        limits = self._credible.limits(worker, node.facts, now_s)
        offset_s, began_s = self._timeline.offset_s(now_s), self._timeline.began_s
        self._data.report(worker, report.incarnation, report.rows, offset_s)
        # When it was made: a report may have waited for a lost connection to come back.
        made_s = offset_s if began_s is None else min(offset_s, max(0.0, node.clock.to_local(report.sent_s) - began_s))
        for error in self._credible.counts(worker, report.errors, report, limits):
            method, endpoint, text = map(printable, (error.method, error.name, error.error))
            self._store.add_error(ErrorRow(method, endpoint, text, error.count, made_s))
            if self.project is not None:
                self.project.on_error(method, endpoint, text, error.count)
        if began_s is None:
            return
        for exception in self._credible.counts(worker, report.exceptions, report, limits):
            *texts, count = msgspec.structs.astuple(exception)
            raised = ExceptionRow(*map(printable, texts), count, offset_s)  # type: ignore[call-arg, arg-type]
            self._store.add_exception(raised)
            if self.project is not None:
                self.project.on_error("", "", f"{raised.type}: {raised.message}", count)
        clock = ReportClock(partial(node.second_of, began_s=began_s), offset_s, error_s)
        credible = self._credible.report(worker, report, limits, clock)
        self.user_classes.note(report)
        if self.project is not None:
            self.project.on_report(worker, report)
        for second, row in credible.seconds:
            self._add_second(worker, node, began_s, second, row)
        for sent, ended, requests in credible.unanswered:
            self._add_unanswered(worker, sent, ended, requests)

    def _add_second(self, worker: str, node: Node, began_s: float, second: int, row: WorkerSecond) -> None:
        reading = node.reading_at(began_s + second + 0.5, within_s=2 * self._period_s + 1)
        found = judge_worker(
            self._limits,
            row,
            clock_error_ms=None if node.clock.error_s is None else 1000 * node.clock.error_s,
            node=NodeCondition.of(reading, node.facts) if reading else None,
            users_stopping=second + 1 > self._timeline.ended_s,
        )
        steady = second in self._timeline.steady
        requests = userspace_timed = in_flight = 0
        for entry in row.endpoints:
            requests += entry.total
            userspace_timed += entry.userspace_timed
            in_flight += entry.in_flight
            self._add_endpoint(second, entry, fit=found.fit)
        for arrivals in row.arrivals:
            self._add_arrivals(second, arrivals, fit=found.fit)
        if steady:
            self._fitness.add_requests(requests if found.fit else 0, 0 if found.fit else requests)
            self._note_fit(worker, second, fit=found.fit)
        if row.second <= self._measured.get(worker, -1):
            return  # its requests come late, and report their second again
        self._measured[worker] = row.second
        node.latest_lag_ms[worker] = row.lag_max_ms
        self._seconds.add_worker(second, worker, WorkerFacts(row.users, in_flight, row.exceptions, row.local_errors))
        fitness_row = FitnessRow(
            node.name,
            second,
            row.lag_max_ms,
            row.cpu_percent,
            requests,
            "; ".join(found.reasons),
            found.lag.encode(),
            row.users,
            number_of(worker),
            userspace_timed,
            in_flight,
            row.local_errors,
            row.exceptions,
        )
        self.unwritten.append(fitness_row)
        if steady:
            self._fitness.add_row(fitness_row, found.lag)

    def _note_fit(self, worker: str, second: int, *, fit: bool) -> None:
        latest = self._was_fit[worker]
        latest.setdefault(
            second, fit
        )  # when it is reported again, for late requests, nothing is reported of the worker
        if len(latest) > FIT_SECONDS_KEPT:
            del latest[next(iter(latest))]

    def _add_endpoint(self, second: int, entry: EndpointSecond, *, fit: bool) -> None:
        endpoint = (printable(entry.method), printable(entry.name))
        if entry.in_flight:
            ages = Histogram(entry.waiting_buckets, entry.waiting_max_ms)
            self._seconds.add_in_flight(second, endpoint, entry.in_flight, ages)
        if entry.total:
            tally = EndpointStats(
                entry.total,
                entry.failed,
                entry.received_bytes,
                Histogram(entry.buckets, entry.max_ms),
                entry.userspace_timed,
                failures=Histogram(entry.failed_buckets, entry.failed_max_ms) if entry.failed_buckets else None,
                service=Histogram(entry.service_buckets, entry.service_max_ms) if entry.service_buckets else None,
                without_latency=entry.without_latency,
            )
            self._seconds.add_requests(second, endpoint, tally, fit=fit)

    def _add_arrivals(self, second: int, row: ArrivalSecond, *, fit: bool) -> None:
        lateness = Histogram(row.lateness_buckets, row.lateness_max_ms)
        tally = ArrivalTally(row.started, row.missed, row.late, row.given_up, lateness)
        self._seconds.add_arrivals(second, printable(row.user_class), tally, fit=fit)

    def _add_unanswered(self, worker: str, sent: int, ended: int, row: Unanswered) -> None:
        """Count requests that got no answer, in the last judged second in which they were in flight.

        So one that was sent in a hold and given up after it counts as a failure of that hold.
        """
        steady = self._timeline.steady.last_second(sent, ended)
        second = ended if steady is None else steady
        fit = self._was_fit[worker].get(second, True)
        if steady is not None:
            self._fitness.add_requests(row.total if fit else 0, 0 if fit else row.total)
        tally = EndpointStats(row.total, row.total, 0, Histogram(row.buckets, row.max_ms), unanswered=row.total)
        self._seconds.add_requests(second, (printable(row.method), printable(row.name)), tally, fit=fit)


def _unreported_arrivals(earlier: Checkpoint, store: Store) -> int:
    """How many arrivals another controller has dealt of which no report is stored."""
    stored = sum(tally.decided for _, _, tally, _ in store.arrivals())
    return max(0, earlier.arrivals_dealt - stored)
