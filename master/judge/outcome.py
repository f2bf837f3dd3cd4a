"""From what a run measured to its result: totals, percentiles, thresholds, validity, verdict."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace

from master.formatting import counted
from master.judge.faults import Faults
from master.judge.figures import (
    endpoint_of,
    errors_of,
    exceptions_of,
    excluded_of,
    in_flight_of,
    latency_of,
    load_of,
    nodes_of,
    share_excluded,
    target_figures_of,
    thinned_part_of,
    unanswered_text,
)
from master.judge.offered_load import OfferedLoad, read_offered_load
from master.judge.project_outcome import project_rules, with_halt
from master.judge.reason import reason_for
from master.judge.result import (
    ClockOffset,
    Comparison,
    ErrorResult,
    ExceptionResult,
    Excluded,
    Gap,
    Load,
    Requests,
    Result,
    Soak,
    TargetFigures,
    Users,
    Versions,
)
from master.judge.rule_results import threshold_result, validity_result
from master.judge.run_facts import RunFacts
from master.judge.seconds.fitness import FitnessLog
from master.judge.soak_gates import with_soak
from master.judge.target.against_baseline import baseline_outcome
from master.judge.target.bottleneck import find_bottleneck
from master.judge.target.cache_hits import cache_outcome
from master.judge.target.services import lost_text, service_outcomes
from master.judge.target.thresholds import ThresholdOutcome
from master.judge.totals import read_totals
from master.judge.validity_checks import validity_checks
from master.judge.verdict import Verdict, decide
from master.judge.warnings import Shortage, late_requests, untaken_rows, warnings_for
from master.scenario import EMBEDDED, Scenario
from master.services.health.losses import LOSSES_KEY, unpack_losses
from master.store import StoreReader
from worker import __version__
from worker.load.histogram import EndpointStats, Histogram

MIN_MISSED_SHARE = 0.001
"""Of the arrivals that were due: what is missed below that for want of users needs no advice."""


Compare = Callable[[Result], Comparison | None]
"""Compares a result with that of the baseline; None without one."""


def conclude(
    scenario: Scenario, store: StoreReader, fitness: FitnessLog, facts: RunFacts, compare: Compare | None = None
) -> Result:
    """Judge the run by what is in run.db, and by `compare`, which compares its result with that of the baseline.

    Rates and errors count every request of the steady part; latencies only those of nodes that were fit to measure them.
    """
    faults = Faults()
    totals = read_totals(store, facts.steady_seconds, scenario.thresholds, faults)
    outcomes = [
        cache_outcome(rule, facts.cache) or row for rule, row in zip(scenario.thresholds, totals.outcomes, strict=True)
    ]
    totals.outcomes = _as_ended(outcomes, facts.broken_rule)
    offered = faults.attempt("arrivals", lambda: _offered_load(scenario, store, facts, faults), None)
    validity = validity_checks(scenario, store, fitness, facts, totals, offered, faults)
    unwatched = service_outcomes(scenario.require, None, facts.duration_s)
    services = faults.attempt("the required services", lambda: _service_outcomes(scenario, store, facts), unwatched)
    totals.outcomes = [*totals.outcomes, *services]
    totals.outcomes += project_rules(facts.project, scenario.thresholds)
    steady_s = len(facts.steady_seconds)
    everything = EndpointStats.merged(totals.whole.values())
    steady = EndpointStats.merged(totals.steady.values())
    with_unfit = Histogram()
    with_unfit.merge(steady.histogram)
    with_unfit.merge(totals.unfit)
    excluded_share = faults.attempt("the excluded share", lambda: share_excluded(fitness), None)
    none: list[Excluded] = []
    no_errors: tuple[list[ErrorResult], int] = ([], 0)
    errors, further_errors = faults.attempt("the errors", lambda: errors_of(store), no_errors)
    no_exceptions: tuple[list[ExceptionResult], int] = ([], 0)
    exceptions, further_exceptions = faults.attempt(
        "exceptions in users' code", lambda: exceptions_of(store), no_exceptions
    )
    excluded = faults.attempt("the nodes that were unfit", lambda: excluded_of(store, facts.steady_seconds), none)
    lag = faults.attempt("the generator's lag", lambda: latency_of(fitness.lag_when_fit), latency_of(Histogram()))
    no_warnings: list[str] = []
    warnings = faults.attempt(
        "the warnings",
        lambda: warnings_for(totals.whole, facts.duration_s, _shortage(scenario, offered, steady, steady_s)),
        no_warnings,
    )
    soak = faults.attempt("whether anything drifted", lambda: _soak(scenario, store), None)

    thinned = faults.attempt("what is thinned", lambda: thinned_part_of(store), None)

    def judged(outcomes: Sequence[ThresholdOutcome]) -> tuple[Verdict, str]:
        verdict = decide(outcomes, validity, facts.aborted)
        if faults.found and verdict is Verdict.PASS:
            verdict = Verdict.INVALID
        unanswered = unanswered_text(everything, totals)
        reason = reason_for(
            verdict, outcomes, validity, facts.aborted, faults.found, unanswered=unanswered, lost=lost_text(services)
        )
        verdict, reason = with_soak(verdict, reason, soak)
        return verdict, with_halt(reason, facts.project)

    # What is to be compared is a run that is evidence by all other rules.
    verdict, reason = judged([row for row in totals.outcomes if row.threshold.compared_metric is None])
    result = Result(
        run_id=facts.run_id,
        scenario=scenario.name,
        verdict=verdict.value,
        reason=reason,
        started_at=facts.started_at.isoformat(timespec="seconds"),
        duration_s=round(facts.duration_s, 3),
        gaps=[Gap(from_s=round(from_s, 3), to_s=round(to_s, 3)) for from_s, to_s in facts.gaps],
        thinned=thinned,
        steady_s=steady_s,
        target=facts.target,
        nodes=nodes_of(scenario, facts),
        users=Users(target=scenario.max_users, peak=facts.users_peak),
        load=Load(model="open" if scenario.open_model else "closed")
        if offered is None
        else load_of(scenario, facts, offered),
        requests=Requests(
            total=everything.total,
            failed=everything.failed,
            rate_per_s=round(steady.total / steady_s, 3) if steady_s else None,
            unanswered=everything.unanswered,
        ),
        latency_ms=latency_of(steady.histogram),
        service_time_ms=latency_of(steady.service_times),
        target_figures=faults.attempt("the target's figures", lambda: _target_figures(store, facts), None),
        latency_failed_ms=None if steady.failures is None else latency_of(steady.failures),
        in_flight=in_flight_of(totals),
        errors=errors,
        further_errors=further_errors,
        exceptions=exceptions,
        further_exceptions=further_exceptions,
        endpoints=[
            endpoint_of(endpoint, tally, totals.steady.get(endpoint, EndpointStats()), steady_s)
            for endpoint, tally in sorted(totals.whole.items())
        ],
        thresholds=[threshold_result(row) for row in totals.outcomes],
        validity=[validity_result(row, scenario) for row in validity],
        soak=soak,
        excluded_share=excluded_share,
        excluded=excluded,
        latency_all_ms=latency_of(with_unfit),
        generator_lag_ms=lag,
        clocks_off=[ClockOffset(node=node, offset_s=round(off_s, 1)) for node, off_s in facts.clocks_off.items()],
        dropped_messages=facts.dropped_messages,
        unreported_workers=facts.unreported_workers,
        versions=Versions(piswarm=__version__, locust=facts.locust_version, python=platform.python_version()),
        data=list(facts.data),
        warnings=[
            *facts.warnings,
            *warnings,
            *late_requests(thinned),
            *(untaken_rows(facts.data) if everything.total else []),
        ],
        faults=faults.found,
    )
    if compare is not None:
        result.comparison = faults.attempt("the comparison", lambda: compare(result), None)
    if compare is not None or any(row.threshold.compared_metric is not None for row in totals.outcomes):
        outcomes = [baseline_outcome(row.threshold, result.comparison) or row for row in totals.outcomes]
        verdict, result.reason = judged(outcomes)
        result.verdict = verdict.value
        result.thresholds = [threshold_result(row) for row in outcomes]
    if result.comparison is not None:
        result.comparison.run.verdict = result.verdict
    return result


def note_bottleneck(result: Result, scenario: Scenario, store: StoreReader, facts: RunFacts) -> Result:
    """`result`, with a word on the embedded target where that was what kept the run from doing more."""
    if scenario.target != EMBEDDED or result.target_figures is None:
        return result
    cpu_percent = {row.second: row.cpu_percent for row in store.target() if row.cpu_percent is not None}
    bottleneck = find_bottleneck(cpu_percent, facts.steady_seconds)
    if bottleneck is not None:
        result.reason = f"{result.reason.removesuffix('.')}. {bottleneck}"
        result.warnings.append(bottleneck)
    return result


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


def _shortage(scenario: Scenario, load: OfferedLoad | None, steady: EndpointStats, steady_s: int) -> Shortage | None:
    """What arrivals were missed for want of a user; None when none was, or too few to matter."""
    if load is None or not steady_s or not load.steady.offered:
        return None
    fit = load.steady.all
    if fit.fit.missed < MIN_MISSED_SHARE * load.steady.offered:
        return None
    started = fit.both.started
    return Shortage(
        fit.fit.missed,
        scenario.max_users,
        load.steady.offered / steady_s,
        steady.total / started if started else 1.0,
        steady.service_times.percentile(99),
    )


def _soak(scenario: Scenario, store: StoreReader) -> Soak | None:
    if scenario.soak is None:
        return None
    # With NumPy and SciPy, which would make the start of every run slower, and its memory larger.
    from master.analysis.soak.assess import assess  # noqa: PLC0415

    return assess(store, scenario.soak.per_day, scenario.sample_period_s)


def _service_outcomes(scenario: Scenario, store: StoreReader, facts: RunFacts) -> list[ThresholdOutcome]:
    return service_outcomes(scenario.require, unpack_losses(store.meta(LOSSES_KEY)), facts.duration_s)


def _target_figures(store: StoreReader, facts: RunFacts) -> TargetFigures | None:
    steady = set(facts.steady_seconds)
    rows = [row for row in store.target() if row.second in steady]
    return target_figures_of(rows, facts.cache) if rows or facts.cache is not None else None


def _offered_load(scenario: Scenario, store: StoreReader, facts: RunFacts, faults: Faults) -> OfferedLoad:
    if not scenario.open_model:
        return OfferedLoad()
    by_plan = not (facts.aborted or facts.broken_rule or facts.ended_early)
    load = read_offered_load(store, set(facts.steady_seconds), facts.offered, by_plan=by_plan)
    if store.damaged_lateness:
        faults.found.append(
            f"lateness: that of {counted(len(store.damaged_lateness), 'second')} is missing, run.db is damaged there"
        )
    if load.surplus:
        faults.found.append(f"arrivals: workers reported {load.surplus} more than were due")
    return load
