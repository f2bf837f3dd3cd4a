"""Everything in run.db that is judged, merged over time, with what the thresholds come to on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from master.formatting import counted, listed
from master.judge.faults import Faults
from master.judge.seconds.second_facts import JudgedSecond, SecondFacts
from master.judge.seconds.stopped_users import STOPPED_USERS_KEY, StoppedUsers
from master.judge.seconds.stored_seconds import stored_seconds, stored_spans
from master.judge.target.stored_windows import restore_windows
from master.judge.target.thresholds import Judge, ThresholdOutcome, unknown_outcome
from master.scenario.rules import Endpoint, Threshold
from master.store import StoreReader
from worker.load.histogram import EndpointStats, Histogram

_WHERE = {"ramp": "in the ramp", "hold": "at the edge of a hold"}
_AFTER = "when the load had ended"


@dataclass
class Totals:
    """What all workers counted."""

    whole: dict[Endpoint, EndpointStats] = field(default_factory=dict)
    steady: dict[Endpoint, EndpointStats] = field(default_factory=dict)
    """Counts of all requests of the steady part, latencies of those measured while their node was fit."""
    unfit: Histogram = field(default_factory=Histogram)
    """Latencies of the steady part measured while their node was not fit."""
    users_ran: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Steady seconds by the stage that they are of, as in run.db, and by the users that ran, or were stopped for want of data rows; those of which both are known."""
    in_flight_peak: int = 0
    """The most requests in flight at the end of a steady second."""
    oldest: tuple[float, Endpoint] | None = None
    """The age in ms of the request that had been waiting longest at the end of a steady second, a second or longer."""
    unjudged: defaultdict[Endpoint, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Requests that ended outside of the steady part, by where that was."""
    exceptions: int = 0
    """Exceptions in users' code in the steady part."""
    local_errors: int = 0
    """Requests of the steady part that failed for want of something on a node itself."""
    outcomes: list[ThresholdOutcome] = field(default_factory=list)
    complete: bool = True
    """Whether all of run.db could be read."""

    def add(self, facts: SecondFacts, judged: JudgedSecond | None, where: str) -> None:
        """Add a second, as it is `judged`; None is one that is not, and `where` in the run that is."""
        for part in (facts.fit, facts.unfit):
            for endpoint, tally in part.items():
                self.whole.setdefault(endpoint, EndpointStats()).merge(tally)
                if judged is None:
                    self.unjudged[endpoint][where] += tally.total
        if judged is not None:
            self._add_steady(facts, judged)

    def _add_steady(self, facts: SecondFacts, judged: JudgedSecond) -> None:
        for endpoint, tally in judged.tallies.items():
            self.steady.setdefault(endpoint, EndpointStats()).merge(tally)
        for excluded in judged.excluded.values():
            self.unfit.merge(excluded.histogram)
        for endpoint, ages in facts.waiting().items():
            self.oldest = max(self.oldest or (0.0, endpoint), (ages.max_ms, endpoint))
        self.in_flight_peak = max(self.in_flight_peak, facts.requests_in_flight)
        self.exceptions += judged.exceptions
        self.local_errors += facts.local_errors


def read_totals(
    store: StoreReader, steady_seconds: Sequence[int], thresholds: Sequence[Threshold], faults: Faults
) -> Totals:
    """Go through run.db once, in step with time; memory is for the endpoints and one second.

    What can't be read, or judged, is noted in `faults`; then every threshold is unknown.
    """
    totals, before = Totals(), len(faults.found)
    judge = Judge(thresholds)
    faults.attempt("what was counted", lambda: _read(store, steady_seconds, judge, totals), None)
    totals.complete = len(faults.found) == before
    totals.outcomes = (
        judge.outcomes(totals.unjudged)
        if totals.complete
        else [unknown_outcome(rule, "since what was counted is not known") for rule in thresholds]
    )
    if store.damaged:
        faults.found.append(_missing_latencies(store.damaged))
        steady = set(steady_seconds)
        touched = {endpoint for second, endpoint in store.damaged if second in steady}
        totals.outcomes = [
            unknown_outcome(rule, "since run.db is damaged: some latencies are missing")
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


def _read(store: StoreReader, steady_seconds: Sequence[int], judge: Judge, totals: Totals) -> None:
    steady, stages = set(steady_seconds), {row.second: row.stage for row in store.seconds()}
    stopped = StoppedUsers.unpack(store.meta(STOPPED_USERS_KEY))
    for span in stored_spans(store, sorted(steady)):
        judged, stage = span.facts.judged(span.second, steady), stages.get(span.second)
        totals.add(span.facts, judged, _WHERE.get((stage or "").partition(" ")[2], _AFTER))
        if judged is None:
            continue
        if stage is not None:
            totals.users_ran.update((stage, users + stopped.before(second)) for second, users in span.users)
        judge.add_span(judged, span.span_s)
    restore_windows(store, judge, steady)
    for second, facts in stored_seconds(store, sorted(steady)):
        judged, stage = facts.judged(second, steady), stages.get(second)
        totals.add(facts, judged, _WHERE.get((stage or "").partition(" ")[2], _AFTER))
        if judged is None:
            continue
        if stage is not None and facts.users is not None:
            totals.users_ran[stage, facts.users + stopped.before(second)] += 1
        judge.add(judged)
    # The rest are of ramps, and of before the load, such as of a listener of test_start.
    judge.add_unjudged(max(0, store.exceptions_total() - totals.exceptions))
