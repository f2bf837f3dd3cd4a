"""From what a run measured to its result: totals, percentiles, thresholds, validity, verdict."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from master.judge.doubt import check_doubt
from master.judge.fitness import FitnessLog
from master.judge.latency_error import check_latency_error
from master.judge.thresholds import Judge, ThresholdOutcome
from master.judge.validity import ValidityOutcome, check
from master.judge.verdict import Verdict, decide
from master.report.result import (
    ClockOffset,
    EndpointResult,
    Excluded,
    Gap,
    Latency,
    Nodes,
    Requests,
    Result,
    ThresholdResult,
    Users,
    ValidityResult,
    Versions,
)
from master.report.unfit import unfit_nodes
from master.scenario import Scenario
from master.scenario.rules import Endpoint
from master.store import Store
from worker import __version__
from worker.histogram import Histogram, Tally


@dataclass(frozen=True)
class RunFacts:
    """What the run knows of itself beyond what is in run.db."""

    run_id: str
    started_at: datetime
    duration_s: float
    target: str
    steady_seconds: Sequence[int]
    users_peak: int
    nodes_peak: int
    nodes_lost: int
    nodes_quarantined: int
    ready_s: float | None
    """How long the fleet took to be ready, in seconds; None when it never was."""
    simulated: bool
    slowed: bool
    """Whether simulated nodes were slowed by what requests would cost on their boards."""
    gaps: Sequence[tuple[float, float]]
    """When the run had no controller, in seconds since it began."""
    clocks_off: Mapping[str, float]
    """Nodes whose wall clock is off by more than a second, and by how many seconds it is ahead."""
    dropped_messages: dict[str, int]
    unreported_workers: list[str]
    locust_version: str
    aborted: str | None = None
    """Why the run ended before its time, None when it did not; a broken `abort` rule is no such reason."""


@dataclass
class _Totals:
    """Everything in run.db, merged over time."""

    whole: dict[Endpoint, Tally] = field(default_factory=dict)
    steady: dict[Endpoint, Tally] = field(default_factory=dict)
    """Counts of all requests of the steady part, latencies of those measured while their node was fit."""
    unfit: Histogram = field(default_factory=Histogram)
    """Latencies of the steady part measured while their node was not fit."""


def conclude(scenario: Scenario, store: Store, fitness: FitnessLog, facts: RunFacts) -> Result:
    """Judge the run by what is in run.db.

    Rates and errors count every request of the steady part; latencies only those of nodes that were fit to measure them.
    """
    judge = Judge(scenario.thresholds)
    totals = _read(store, facts.steady_seconds, judge)
    thresholds = judge.outcomes()
    validity = [
        *check(scenario.validity, fitness, scenario.nodes.expect, scenario.nodes.min),
        check_latency_error(scenario.validity.latency_error_percent, totals.steady.values(), fitness.lag_by_request),
        check_doubt(scenario.thresholds, thresholds, fitness.lag_when_fit),
    ]
    verdict = decide(thresholds, validity, facts.aborted)
    steady_s = len(facts.steady_seconds)
    everything = _together(totals.whole)
    steady = _together(totals.steady)
    with_unfit = Histogram()
    with_unfit.merge(steady.histogram)
    with_unfit.merge(totals.unfit)
    measured = fitness.requests_fit + fitness.requests_unfit
    return Result(
        run_id=facts.run_id,
        scenario=scenario.name,
        verdict=verdict.value,
        reason=_reason(verdict, thresholds, validity, facts.aborted),
        started_at=facts.started_at.isoformat(timespec="seconds"),
        duration_s=round(facts.duration_s, 3),
        gaps=[Gap(from_s=round(from_s, 3), to_s=round(to_s, 3)) for from_s, to_s in facts.gaps],
        steady_s=steady_s,
        target=facts.target,
        nodes=Nodes(
            expected=scenario.nodes.expect,
            peak=facts.nodes_peak,
            ready_s=facts.ready_s,
            lost=facts.nodes_lost,
            quarantined=facts.nodes_quarantined,
            simulated=facts.simulated,
            thermal_speed=scenario.rack.thermal_speed,
            request_cpu_ms=1000 * scenario.rack.request_cpu_s
            if scenario.rack.request_cpu_s is not None and facts.slowed
            else None,
        ),
        users=Users(target=scenario.max_users, peak=facts.users_peak),
        requests=Requests(
            total=everything.total,
            failed=everything.failed,
            rate=round(steady.total / steady_s, 3) if steady_s else 0.0,
        ),
        latency_ms=_latency(steady.histogram),
        endpoints=[
            _endpoint(endpoint, tally, totals.steady.get(endpoint, Tally()), steady_s)
            for endpoint, tally in sorted(totals.whole.items())
        ],
        thresholds=[
            ThresholdResult(
                rule=row.rule, observed=row.observed, observed_text=row.observed_text, ok=row.ok, message=row.message
            )
            for row in thresholds
        ],
        validity=[
            ValidityResult(
                check=row.check,
                limit=row.limit,
                observed=row.observed,
                ok=row.ok,
                nodes=list(row.nodes),
                message=row.message,
            )
            for row in validity
        ],
        excluded_share=round(fitness.requests_unfit / measured, 6) if measured else 0.0,
        excluded=_excluded(store, facts.steady_seconds),
        latency_all_ms=_latency(with_unfit),
        generator_lag_ms=_latency(fitness.lag_when_fit),
        clocks_off=[ClockOffset(node=node, offset_s=round(off_s, 1)) for node, off_s in facts.clocks_off.items()],
        dropped_messages=facts.dropped_messages,
        unreported_workers=facts.unreported_workers,
        versions=Versions(piswarm=__version__, locust=facts.locust_version, python=platform.python_version()),
    )


def _read(store: Store, steady_seconds: Sequence[int], judge: Judge) -> _Totals:
    """Go through run.db once, in step with time; memory is for the endpoints and one second."""
    totals = _Totals()
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
    return totals


def _excluded(store: Store, steady_seconds: Sequence[int]) -> list[Excluded]:
    steady = set(steady_seconds)
    return [
        Excluded(
            node=node.name,
            seconds=node.seconds,
            requests=node.requests,
            reasons=node.reasons,
            spans_s=node.spans,
            further_spans=node.further_spans,
        )
        for node in unfit_nodes(row for row in store.unfit() if row.second in steady)
    ]


def _by_second(store: Store) -> Iterator[tuple[int, list[tuple[Endpoint, Tally, bool]]]]:
    for second, rows in groupby(store.requests(), key=lambda row: row[0]):
        yield second, [(endpoint, tally, fit) for _, endpoint, tally, fit in rows]


def _together(tallies: dict[Endpoint, Tally]) -> Tally:
    whole = Tally()
    for tally in tallies.values():
        whole.merge(tally)
    return whole


def _latency(histogram: Histogram) -> Latency:
    p50, p90, p95, p99, p999 = (_rounded(value) for value in histogram.percentiles((50, 90, 95, 99, 99.9)))
    highest = _rounded(histogram.max_ms) if histogram.buckets else None
    return Latency(p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, max=highest)


def _endpoint(endpoint: Endpoint, whole: Tally, steady: Tally, steady_s: int) -> EndpointResult:
    latency = _latency(steady.histogram)
    return EndpointResult(
        method=endpoint[0],
        name=endpoint[1],
        total=whole.total,
        failed=whole.failed,
        rate=round(steady.total / steady_s, 3) if steady_s else 0.0,
        p50=latency.p50,
        p95=latency.p95,
        p99=latency.p99,
        max=latency.max,
    )


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else float(f"{value_ms:.4g}")


def _reason(
    verdict: Verdict,
    thresholds: Sequence[ThresholdOutcome],
    validity: Sequence[ValidityOutcome],
    aborted: str | None,
) -> str:
    """One sentence: why it is this verdict."""
    match verdict:
        case Verdict.ABORTED:
            return aborted or ""
        case Verdict.INVALID:
            return "The generator was not fit to measure: " + "; ".join(
                row.message for row in validity if row.ok is False
            )
        case Verdict.FAIL:
            return "Broken: " + "; ".join(
                f"{row.rule} ({row.message or row.observed_text})" for row in thresholds if not row.ok
            )
        case Verdict.PASS:
            return "Every threshold held, and the generator was fit to measure it."
