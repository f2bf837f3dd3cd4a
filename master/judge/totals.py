"""Everything in run.db that is judged, merged over time, with what the thresholds come to on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Generic, TypeVar

from master.formatting import counted, listed
from master.judge.faults import Faults
from master.judge.seconds.window import counts_of
from master.judge.target.thresholds import Judge, ThresholdOutcome, unknown
from master.scenario.rules import Endpoint, Threshold
from master.store import Store
from worker.load.histogram import EndpointStats, Histogram

_WHERE = {"ramp": "in the ramp", "hold": "at the edge of a hold"}
_AFTER = "when the load had ended"

Row = TypeVar("Row", bound=tuple[Any, ...])


@dataclass
class Totals:
    """What all workers counted."""

    whole: dict[Endpoint, EndpointStats] = field(default_factory=dict)
    steady: dict[Endpoint, EndpointStats] = field(default_factory=dict)
    """Counts of all requests of the steady part, latencies of those measured while their node was fit."""
    unfit: Histogram = field(default_factory=Histogram)
    """Latencies of the steady part measured while their node was not fit."""
    in_flight_peak: int = 0
    """The most requests in flight at the end of a steady second."""
    oldest: tuple[float, Endpoint] | None = None
    """The age in ms of the request that had been waiting longest at the end of a steady second, a second or longer."""
    elsewhere: defaultdict[Endpoint, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Requests that ended outside of the steady part, by where that was."""
    outcomes: list[ThresholdOutcome] = field(default_factory=list)


def read_totals(store: Store, steady_seconds: Sequence[int], thresholds: Sequence[Threshold], faults: Faults) -> Totals:
    """Go through run.db once, in step with time; memory is for the endpoints and one second.

    What can't be read, or judged, is noted in `faults`; then every threshold is unknown.
    """
    totals, before = Totals(), len(faults.found)
    judge = Judge(thresholds)
    faults.attempt("what was counted", lambda: _read(store, steady_seconds, judge, totals), None)
    totals.outcomes = (
        judge.outcomes(totals.elsewhere)
        if len(faults.found) == before
        else [unknown(rule, "since what was counted is not known") for rule in thresholds]
    )
    if store.damaged:
        faults.found.append(_missing_latencies(store.damaged))
        steady = set(steady_seconds)
        touched = {endpoint for second, endpoint in store.damaged if second in steady}
        totals.outcomes = [
            unknown(rule, "since run.db is damaged: some latencies are missing")
            if rule.percent is not None and (rule.endpoint in touched or (rule.endpoint is None and touched))
            else outcome
            for rule, outcome in zip(thresholds, totals.outcomes, strict=True)
        ]
    return totals


def _missing_latencies(damaged: AbstractSet[tuple[int, Endpoint]]) -> str:
    """What is unknown of latencies, for people."""
    seconds = Counter(endpoint for _, endpoint in damaged)
    parts = [f"{' '.join(endpoint)} in {counted(number, 'second')}" for endpoint, number in seconds.most_common()]
    return f"latencies: those of {listed(parts)} are missing, run.db is damaged there"


def _read(store: Store, steady_seconds: Sequence[int], judge: Judge, totals: Totals) -> None:
    steady = set(steady_seconds)
    kinds = {row.second: row.stage.partition(" ")[2] for row in store.seconds()}
    feed = _Feed(store, steady, judge, totals)
    for second, rows in groupby(store.requests(), key=itemgetter(0)):
        seen: dict[Endpoint, EndpointStats] = {}
        apart: dict[Endpoint, Histogram] = {}
        for _, endpoint, tally, fit in rows:
            totals.whole.setdefault(endpoint, EndpointStats()).merge(tally)
            if second not in steady:
                totals.elsewhere[endpoint][_WHERE.get(kinds.get(second, ""), _AFTER)] += tally.total
                continue
            if not fit:
                totals.unfit.merge(tally.histogram)
                apart.setdefault(endpoint, Histogram()).merge(tally.histogram)
            seen.setdefault(endpoint, EndpointStats()).merge(tally if fit else counts_of(tally))
        if second in steady:
            feed.add(second, seen, apart)
            for endpoint, tally in seen.items():
                totals.steady.setdefault(endpoint, EndpointStats()).merge(tally)
    feed.finish()


class _Feed:
    """Gives a judge the seconds of a run in order, those included in which no request ended, with all that belongs to them."""

    def __init__(self, store: Store, steady: AbstractSet[int], judge: Judge, totals: Totals) -> None:
        self._store = store
        self._exceptions = 0
        self._totals = totals
        self._steady = steady
        self._judge = judge
        self._workers = _InStep(store.workers_by_second(), itemgetter(0))
        self._waiting = _InStep(store.waiting(), itemgetter(0))
        self._up_to = min(steady, default=0)

    def add(self, second: int, tallies: Mapping[Endpoint, EndpointStats], apart: Mapping[Endpoint, Histogram]) -> None:
        """A steady second, with the requests that ended in it, and the latencies of those that were set apart."""
        for idle in range(self._up_to, second):
            if idle in self._steady:
                self._add(idle, {}, {})
        self._add(second, tallies, apart)
        self._up_to = second + 1

    def finish(self) -> None:
        """There are no more requests."""
        last = max(self._steady, default=-1)
        if self._up_to <= last:
            self.add(last, {}, {})
        # The rest are of ramps, and of before the load, such as of a listener of test_start.
        self._judge.add_unjudged(max(0, self._store.exceptions_total() - self._exceptions))

    def _add(self, second: int, tallies: Mapping[Endpoint, EndpointStats], apart: Mapping[Endpoint, Histogram]) -> None:
        (row,) = self._workers.at(second) or (None,)
        # What is in flight at the end of a hold is counted as it ends, in its last second.
        waiting = {endpoint: ages for _, endpoint, _, ages in self._waiting.at(second)}
        for endpoint, ages in waiting.items():
            self._totals.oldest = max(self._totals.oldest or (0.0, endpoint), (ages.max_ms, endpoint))
        if second + 1 not in self._steady:
            waiting = {}
        if row is not None:
            self._totals.in_flight_peak = max(self._totals.in_flight_peak, row.in_flight)
        users, exceptions = (None, 0) if row is None else (row.users, row.exceptions)
        self._exceptions += exceptions
        self._judge.add(second, tallies, users, exceptions, waiting, apart=apart)


class _InStep(Generic[Row]):
    """Rows in order of their second, taken second by second: what is asked for must come in ascending order."""

    def __init__(self, rows: Iterator[Row], second_of: Callable[[Row], int]) -> None:
        self._rows = rows
        self._second_of = second_of
        self._next: list[Row] = []

    def before(self, second: int) -> Iterator[Row]:
        """All rows not taken yet of seconds before this one."""
        for row in chain(self._next, self._rows):
            self._next = [row]
            if self._second_of(row) >= second:
                return
            yield row
        self._next = []

    def at(self, second: int) -> list[Row]:
        """The rows of this second; those before it are passed over."""
        for _ in self.before(second):
            pass
        return list(self.before(second + 1))
