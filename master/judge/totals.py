"""Everything in run.db that is judged, merged over time, with what the thresholds come to on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from master.judge.faults import Faults
from master.judge.thresholds import Judge, ThresholdOutcome, unknown
from master.scenario.rules import Endpoint, Threshold
from master.store import Store
from worker.histogram import Histogram, Tally


@dataclass
class Totals:
    """What all workers counted."""

    whole: dict[Endpoint, Tally] = field(default_factory=dict)
    steady: dict[Endpoint, Tally] = field(default_factory=dict)
    """Counts of all requests of the steady part, latencies of those measured while their node was fit."""
    unfit: Histogram = field(default_factory=Histogram)
    """Latencies of the steady part measured while their node was not fit."""
    outcomes: list[ThresholdOutcome] = field(default_factory=list)


def read_totals(store: Store, steady_seconds: Sequence[int], thresholds: Sequence[Threshold], faults: Faults) -> Totals:
    """Go through run.db once, in step with time; memory is for the endpoints and one second.

    What can't be read, or judged, is noted in `faults`; then every threshold is unknown.
    """
    totals, before = Totals(), len(faults.found)
    judge = Judge(thresholds)
    faults.attempt("what was counted", lambda: _read(store, steady_seconds, judge, totals), None)
    totals.outcomes = (
        judge.outcomes()
        if len(faults.found) == before
        else [unknown(rule, "since what was counted is not known") for rule in thresholds]
    )
    return totals


def together(tallies: Iterable[Tally]) -> Tally:
    """All in one."""
    whole = Tally()
    for tally in tallies:
        whole.merge(tally)
    return whole


def _read(store: Store, steady_seconds: Sequence[int], judge: Judge, totals: Totals) -> None:
    users = {row.second: row.users for row in store.seconds()}
    steady = set(steady_seconds)
    judged_up_to = 0

    def judge_idle(until: int) -> None:
        """Seconds in which nothing was requested are judged as well."""
        for second in range(judged_up_to, until):
            if second in steady:
                judge.add(second, {}, users.get(second, 0))

    for second, rows in _by_second(store):
        seen: dict[Endpoint, Tally] = {}
        for endpoint, tally, fit in rows:
            totals.whole.setdefault(endpoint, Tally()).merge(tally)
            if second not in steady:
                continue
            if not fit:
                totals.unfit.merge(tally.histogram)
                tally.histogram = Histogram()
            seen.setdefault(endpoint, Tally()).merge(tally)
        if second in steady:
            judge_idle(second)
            judged_up_to = second + 1
            judge.add(second, seen, users.get(second, 0))
            for endpoint, tally in seen.items():
                totals.steady.setdefault(endpoint, Tally()).merge(tally)
    judge_idle(max(steady, default=-1) + 1)


def _by_second(store: Store) -> Iterator[tuple[int, list[tuple[Endpoint, Tally, bool]]]]:
    for second, rows in groupby(store.requests(), key=lambda row: row[0]):
        yield second, [(endpoint, tally, fit) for _, endpoint, tally, fit in rows]
