"""The latest seconds of a run in memory, and what of them is not in run.db yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from master.judge.seconds.second_facts import InFlightRequests, SecondFacts, WorkerFacts
from master.scenario.rules import Endpoint
from master.store import Store
from master.web.metrics.state import RequestTotals
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram

CLOSED_AFTER_S = 4
"""A second is complete this long after its end: reports come every 2 s, and are on their way for less than the rest."""
KEPT_SECONDS = 15
"""Seconds kept in memory."""


class LatestSeconds:
    """What is known of the latest seconds.

    A second that is judged live must not change any more: what comes late for it goes to run.db alone.
    """

    def __init__(self, counted_as: Callable[[Endpoint], Endpoint]) -> None:
        """`counted_as` gives the endpoint that requests to an endpoint count for."""
        self.complete_before = 0
        """Seconds before this one are judged."""
        self.on_stored: Callable[[int, Endpoint, EndpointStats], None] | None = None
        """Called with what was written to run.db: second, endpoint, requests."""
        self._counted_as = counted_as
        self._facts: dict[int, SecondFacts] = {}
        self._requests: dict[tuple[int, Endpoint, bool], EndpointStats] = {}
        """Not in run.db yet: by second, endpoint, and whether their worker was fit."""
        self._arrivals: dict[tuple[int, str, bool], ArrivalTally] = {}
        """Not in run.db yet: by second, user class, and whether their worker was fit."""
        self._waiting: dict[tuple[int, Endpoint], InFlightRequests] = {}
        """Not in run.db yet: requests that had been waiting for long."""
        self._late_exceptions = 0

    def add_requests(self, second: int, endpoint: Endpoint, tally: EndpointStats, *, fit: bool) -> None:
        """Add requests of a worker that ended in `second`, and whether it was fit; `tally` is the callee's from now on."""
        key = (second, self._counted_as(endpoint), fit)
        before = self._requests.get(key)
        if before is None:
            self._requests[key] = tally
        else:
            before.merge(tally)

    def add_arrivals(self, second: int, user_class: str, tally: ArrivalTally, *, fit: bool) -> None:
        """Add arrivals that were due in `second` at a worker, and whether it was fit; `tally` is the callee's from now on."""
        before = self._arrivals.setdefault((second, user_class, fit), tally)
        if before is not tally:
            before.merge(tally)

    def note_offered(self, second: int, offered: int | None) -> None:
        """Note how many arrivals are due in `second` by the schedule of the whole fleet; None in the closed model."""
        if offered is not None and second >= self.complete_before:
            self._of(second).offered = offered

    def add_in_flight(self, second: int, endpoint: Endpoint, count: int, ages: Histogram) -> None:
        """Add requests that a worker had in flight at the end of `second`, with the ages of those that waited for long."""
        endpoint = self._counted_as(endpoint)
        if second >= self.complete_before:
            self._of(second).add_in_flight(endpoint, count, ages)
        if ages.buckets:
            self._waiting.setdefault((second, endpoint), InFlightRequests()).add(count, ages)

    def add_worker(self, second: int, worker: str, row: WorkerFacts) -> None:
        """Add what a worker reports of itself at the end of `second`, in place of what it may have reported of it before."""
        if second < self.complete_before:
            self._late_exceptions += row.exceptions
            return
        workers = self._of(second).workers
        if worker in workers:
            self._late_exceptions += workers[worker].exceptions
        workers[worker] = row

    def _of(self, second: int) -> SecondFacts:
        facts = self._facts.get(second)
        if facts is None:
            facts = self._facts[second] = SecondFacts()
        return facts

    def pop_late_exceptions(self) -> int:
        """Exceptions, since the last call, that belong to no second that is judged live."""
        late, self._late_exceptions = self._late_exceptions, 0
        return late

    def write(self, store: Store, totals: RequestTotals) -> None:
        """Write what came since the last call, of all workers in one tally for each second and endpoint."""
        for key, tally in list(self._requests.items()):
            second, endpoint, fit = key
            store.add_requests(second, endpoint, tally, fit=fit)
            del self._requests[key]  # at once: should the next one fail, this one is not to be written a second time
            totals.add(endpoint, tally, fit=fit)
            if self.on_stored is not None:
                self.on_stored(second, endpoint, tally)
            if second >= self.complete_before:
                self._of(second).add_requests(endpoint, tally, fit=fit)
        for arrivals_key, made in list(self._arrivals.items()):
            second, user_class, fit = arrivals_key
            store.add_arrivals(second, user_class, made, fit=fit)
            del self._arrivals[arrivals_key]
            totals.add_arrivals(made)
            if second >= self.complete_before:
                self._of(second).add_arrivals(user_class, made, fit=fit)
        waiting, self._waiting = self._waiting, {}
        for (second, endpoint), row in waiting.items():
            store.add_waiting(second, endpoint, row.ages.count, row.ages)

    def at(self, second: int) -> SecondFacts:
        """What is known of a second; nothing of one that is no longer kept."""
        return self._facts.get(second) or SecondFacts()

    def forget(self, before: int) -> None:
        """Forget the seconds earlier than this one."""
        for second in [second for second in self._facts if second < before]:
            del self._facts[second]

    def in_flight(self, offset_s: float) -> Mapping[Endpoint, InFlightRequests]:
        """The requests in flight at the end of the latest complete second, by endpoint."""
        return self.at(int(offset_s) - CLOSED_AFTER_S).in_flight

    def latest_arrivals(self, offset_s: float, seconds: int) -> tuple[int, ArrivalTally]:
        """Arrivals of the latest complete `seconds`: how many were offered by the schedule, and what workers made of them."""
        end = int(offset_s) - CLOSED_AFTER_S + 1
        facts = [self.at(second) for second in range(end - seconds, end)]
        whole = ArrivalTally()
        for second_facts in facts:
            for tally in second_facts.arrivals.values():
                whole.merge(tally)
        return sum(second_facts.offered or 0 for second_facts in facts), whole

    def latest(self, offset_s: float, seconds: int) -> EndpointStats:
        """The latest complete `seconds` in one tally, all endpoints together."""
        end = int(offset_s) - CLOSED_AFTER_S + 1
        return EndpointStats.merged(
            tally for second in range(end - seconds, end) for tally in self.at(second).tallies().values()
        )
