"""From what a run measured to its result: totals, percentiles, thresholds, validity, verdict."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from master.judge.causes import causes
from master.judge.faults import Faults
from master.judge.generator.latency_error import check_latency_error
from master.judge.generator.load_check import LocalErrors, check_local_errors, check_users, user_seconds
from master.judge.generator.validity import ValidityOutcome, check, guarded
from master.judge.reason import reason_for
from master.judge.result import (
    ClockOffset,
    EndpointResult,
    ExceptionResult,
    Excluded,
    Gap,
    InFlight,
    Latency,
    Nodes,
    Requests,
    Result,
    ThresholdResult,
    Users,
    ValidityResult,
    Versions,
)
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.unfit_nodes import unfit_nodes
from master.judge.target.threshold_margin import check_threshold_margin
from master.judge.target.thresholds import ThresholdOutcome
from master.judge.totals import Totals, read_totals
from master.judge.verdict import Verdict, decide
from master.judge.warnings import warnings_for
from master.scenario import Scenario
from master.scenario.rules import Endpoint
from master.store import Store
from worker import __version__
from worker.load.histogram import EndpointStats, Histogram

MAX_EXCEPTIONS = 100
"""Different exceptions in a result; run.db has all that were kept."""


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
    silent_classes: Sequence[str] = ()
    """User classes whose users ran and never made a request."""
    broken_rule: ThresholdOutcome | None = None
    """The rule with `abort` that ended the run, as it stood then."""
    aborted: str | None = None
    """Why the run ended before its time, None when it did not; a broken `abort` rule is no such reason."""
    warnings: Sequence[str] = ()
    """Warnings on the input that the operator got at the start."""


def conclude(scenario: Scenario, store: Store, fitness: FitnessLog, facts: RunFacts) -> Result:
    """Judge the run by what is in run.db.

    Rates and errors count every request of the steady part; latencies only those of nodes that were fit to measure them.
    """
    faults = Faults()
    totals = read_totals(store, facts.steady_seconds, scenario.thresholds, faults)
    totals.outcomes = _as_ended(totals.outcomes, facts.broken_rule)
    validity = _validity(scenario, store, fitness, facts, totals, faults)
    steady_s = len(facts.steady_seconds)
    everything = EndpointStats.merged(totals.whole.values())
    steady = EndpointStats.merged(totals.steady.values())
    with_unfit = Histogram()
    with_unfit.merge(steady.histogram)
    with_unfit.merge(totals.unfit)
    excluded_share = faults.attempt("the excluded share", lambda: _share(fitness), 0.0)
    none: list[Excluded] = []
    no_exceptions: list[ExceptionResult] = []
    excluded = faults.attempt("the nodes that were unfit", lambda: _excluded(store, facts.steady_seconds), none)
    lag = faults.attempt("the generator's lag", lambda: _latency(fitness.lag_when_fit), _latency(Histogram()))
    no_warnings: list[str] = []
    warnings = faults.attempt("the warnings", lambda: warnings_for(totals.whole, facts.duration_s), no_warnings)
    verdict = decide(totals.outcomes, validity, facts.aborted)
    if faults.found and verdict is Verdict.PASS:
        verdict = Verdict.INVALID
    return Result(
        run_id=facts.run_id,
        scenario=scenario.name,
        verdict=verdict.value,
        reason=reason_for(
            verdict,
            totals.outcomes,
            validity,
            facts.aborted,
            faults.found,
            unanswered=_unanswered_text(everything, totals),
        ),
        started_at=facts.started_at.isoformat(timespec="seconds"),
        duration_s=round(facts.duration_s, 3),
        gaps=[Gap(from_s=round(from_s, 3), to_s=round(to_s, 3)) for from_s, to_s in facts.gaps],
        steady_s=steady_s,
        target=facts.target,
        nodes=_nodes(scenario, facts),
        users=Users(target=scenario.max_users, peak=facts.users_peak),
        requests=Requests(
            total=everything.total,
            failed=everything.failed,
            rate=round(steady.total / steady_s, 3) if steady_s else 0.0,
            unanswered=everything.unanswered,
        ),
        latency_ms=_latency(steady.histogram),
        latency_failed_ms=None if steady.failures is None else _latency(steady.failures),
        in_flight=_in_flight(totals),
        exceptions=faults.attempt("exceptions in users' code", lambda: _exceptions(store), no_exceptions),
        endpoints=[
            _endpoint(endpoint, tally, totals.steady.get(endpoint, EndpointStats()), steady_s)
            for endpoint, tally in sorted(totals.whole.items())
        ],
        thresholds=[
            ThresholdResult(
                rule=row.rule, observed=row.observed, observed_text=row.observed_text, ok=row.ok, message=row.message
            )
            for row in totals.outcomes
        ],
        validity=[
            ValidityResult(
                check=row.check,
                limit=row.limit,
                observed=row.observed,
                ok=row.ok,
                nodes=list(row.nodes),
                message=row.message,
                fault=row.fault,
            )
            for row in validity
        ],
        excluded_share=excluded_share,
        excluded=excluded,
        latency_all_ms=_latency(with_unfit),
        generator_lag_ms=lag,
        clocks_off=[ClockOffset(node=node, offset_s=round(off_s, 1)) for node, off_s in facts.clocks_off.items()],
        dropped_messages=facts.dropped_messages,
        unreported_workers=facts.unreported_workers,
        versions=Versions(piswarm=__version__, locust=facts.locust_version, python=platform.python_version()),
        warnings=[*facts.warnings, *warnings],
        faults=faults.found,
    )


def _as_ended(outcomes: Sequence[ThresholdOutcome], ended_by: ThresholdOutcome | None) -> list[ThresholdOutcome]:
    """`outcomes`, in which the rule that ended the run is broken as it was then, whatever all of it comes to."""
    return [
        row
        if ended_by is None or row.rule != ended_by.rule
        else replace(
            ended_by,
            message=f"{ended_by.message or ended_by.observed_text}, which ended the run"
            + (f"; over all of it {row.observed_text}" if row.ok else ""),
        )
        for row in outcomes
    ]


def _validity(  # noqa: PLR0917  # the checks look at all there is
    scenario: Scenario, store: Store, fitness: FitnessLog, facts: RunFacts, totals: Totals, faults: Faults
) -> list[ValidityOutcome]:
    limits, steady_s = scenario.validity, len(facts.steady_seconds)
    known = faults.attempt("why there is no data", lambda: causes(store, totals, steady_s, faults), dict[str, str]())
    return [
        *check(limits, fitness, scenario.nodes.expect, scenario.nodes.min, known),
        guarded("users", lambda: _users(scenario, store, facts, totals)),
        guarded("local_errors", lambda: check_local_errors(limits.local_errors, _local_errors(store, facts, totals))),
        guarded(
            "latency_error",
            lambda: check_latency_error(limits.latency_error_percent, totals.steady.values(), fitness.lag_by_request),
            yields_to_fail=True,
        ),
        guarded(
            "doubtful_thresholds",
            lambda: check_threshold_margin(scenario.thresholds, totals.outcomes, fitness.lag_when_fit),
            yields_to_fail=True,
        ),
    ]


def _users(scenario: Scenario, store: Store, facts: RunFacts, totals: Totals) -> ValidityOutcome:
    if not totals.complete:
        message = "users: unknown, since what was counted is not known"
        return ValidityOutcome("users", "–", "unknown", None, ok=None, message=message, fault=True)
    found = user_seconds(scenario.closed_stages, totals.users_ran)
    exceptions = [f"{row.type}: {row.message} ({row.user_class}, {row.place})" for row in store.exceptions()[:1]]
    return check_users(scenario.validity.users_percent, found, facts.silent_classes, exceptions)


def _local_errors(store: Store, facts: RunFacts, totals: Totals) -> list[LocalErrors]:
    if totals.complete and not totals.local_errors:
        return []  # as nearly always; else it takes a look at every worker-second to know whose they were
    steady, found = set(facts.steady_seconds), dict[str, LocalErrors]()
    for node, second, requests, unfit in store.local_errors():
        if second in steady:
            before = found.get(node, LocalErrors(node, 0, unfit))
            found[node] = replace(before, requests=before.requests + requests)
    return list(found.values())


def _nodes(scenario: Scenario, facts: RunFacts) -> Nodes:
    rack = scenario.rack
    return Nodes(
        expected=scenario.nodes.expect,
        peak=facts.nodes_peak,
        ready_s=facts.ready_s,
        lost=facts.nodes_lost,
        quarantined=facts.nodes_quarantined,
        simulated=facts.simulated,
        thermal_speed=rack.thermal_speed,
        request_cpu_ms=1000 * rack.request_cpu_s if rack.request_cpu_s is not None and facts.slowed else None,
    )


def _in_flight(totals: Totals) -> InFlight:
    if totals.oldest is None:
        return InFlight(peak=totals.in_flight_peak, oldest_ms=None, endpoint=None)
    age_ms, endpoint = totals.oldest
    return InFlight(peak=totals.in_flight_peak, oldest_ms=_rounded(age_ms), endpoint=" ".join(endpoint))


def _unanswered_text(everything: EndpointStats, totals: Totals) -> str:
    if not everything.unanswered:
        return ""
    said = f"{everything.unanswered} requests got no answer"
    if totals.oldest is None:
        return said
    age_ms, endpoint = totals.oldest
    return f"{said}; up to {totals.in_flight_peak} were in flight, the oldest for {age_ms / 1000:.0f} s ({' '.join(endpoint)})"


def _exceptions(store: Store) -> list[ExceptionResult]:
    return [
        ExceptionResult(
            user_class=row.user_class,
            type=row.type,
            message=row.message,
            place=row.place,
            line=row.line,
            count=row.occurrences,
        )
        for row in store.exceptions()[:MAX_EXCEPTIONS]
    ]


def _share(fitness: FitnessLog) -> float:
    measured = fitness.requests_fit + fitness.requests_unfit
    return round(fitness.requests_unfit / measured, 6) if measured else 0.0


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


def _latency(histogram: Histogram) -> Latency:
    p50, p90, p95, p99, p999 = (_rounded(value) for value in histogram.percentiles((50, 90, 95, 99, 99.9)))
    highest = _rounded(histogram.max_ms) if histogram.buckets else None
    return Latency(p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, max=highest)


def _endpoint(endpoint: Endpoint, whole: EndpointStats, steady: EndpointStats, steady_s: int) -> EndpointResult:
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
