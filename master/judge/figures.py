"""Parts of a result, each from what was counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from master.judge.offered_load import Arrivals, ClassArrivals, OfferedLoad
from master.judge.result import (
    ClassLoad,
    EndpointResult,
    ErrorResult,
    ExceptionResult,
    Excluded,
    InFlight,
    Latency,
    Load,
    Missed,
    Nodes,
    TargetFigures,
    ThinnedPart,
)
from master.judge.run_facts import CacheCounts, RunFacts
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.unfit_nodes import unfit_nodes
from master.judge.totals import Totals
from master.scenario import Scenario
from master.scenario.rules import Endpoint
from master.store import StoreReader, TargetRow
from master.store.thinned.parts import MINUTE_S
from worker.load.histogram import EndpointStats, Histogram

MAX_KINDS = 100
"""Different errors, and exceptions, in a result; run.db has all that were kept."""


def load_of(scenario: Scenario, facts: RunFacts, offered: OfferedLoad) -> Load:
    """The load that was offered: in the open model the whole run's arrivals, and their rates and lateness over the steady part."""
    if not scenario.open_model:
        return Load(model="closed")
    whole, steady_s = offered.whole, len(facts.steady_seconds)
    tally, due = whole.all.both, offered.steady.offered
    return Load(
        model="open",
        offered=whole.offered,
        started=tally.started,
        missed=_missed(whole.all, whole),
        late=tally.late,
        offered_per_s=round(due / steady_s, 3) if steady_s and due is not None else None,
        started_per_s=round(offered.steady.all.both.started / steady_s, 3) if steady_s else None,
        lateness_ms=latency_of(offered.steady.lateness),
        start_skew_ms=None if facts.start_skew_s is None else round(1000 * facts.start_skew_s, 3),
        user_classes=[
            ClassLoad(
                user_class=name,
                started=arrivals.both.started,
                late=arrivals.both.late,
                missed=_missed(arrivals, None),
                lateness_ms=latency_of(offered.steady.of[name].both.lateness),
            )
            for name, arrivals in sorted(whole.of.items())
        ],
    )


def _missed(arrivals: ClassArrivals, whole: Arrivals | None) -> Missed:
    """What was not started; what was lost is known of the `whole` run alone, since nobody knows of what class that was."""
    known = arrivals.both.missed + arrivals.both.given_up
    lost = None if whole is None else whole.lost
    return Missed(
        total=None if lost is None else known + lost,
        no_free_user=arrivals.fit.missed,
        while_unfit=arrivals.unfit.missed,
        given_up=arrivals.both.given_up,
        lost=lost,
    )


def target_figures_of(rows: Sequence[TargetRow], cache: CacheCounts | None) -> TargetFigures:
    """What the target's process used in `rows`, which are the steady seconds in order, and what it counted of its cache."""
    cpu = [row.cpu_percent for row in rows if row.cpu_percent is not None]
    memory = [row.memory_bytes for row in rows if row.memory_bytes is not None]
    return TargetFigures(
        cpu_percent_mean=round(sum(cpu) / len(cpu), 1) if cpu else None,
        cpu_percent_max=round(max(cpu), 1) if cpu else None,
        memory_start_bytes=memory[0] if memory else None,
        memory_end_bytes=memory[-1] if memory else None,
        memory_peak_bytes=max(memory) if memory else None,
        memory_growth_bytes=memory[-1] - memory[0] if memory else None,
        cache_hits=None if cache is None else cache.hits,
        cache_misses=None if cache is None else cache.misses,
        cache_hit_share=None if cache is None or cache.hit_share is None else round(cache.hit_share, 6),
    )


def thinned_part_of(store: StoreReader) -> ThinnedPart | None:
    """How far run.db is thinned; None where it has every second."""
    thinned = store.thinned()
    if not (thinned.requests_before or thinned.samples_before):
        return None
    return ThinnedPart(
        requests_before_s=thinned.requests_before,
        samples_before_s=thinned.samples_before,
        span_s=MINUTE_S,
        late_requests=thinned.late_requests,
    )


def nodes_of(scenario: Scenario, facts: RunFacts) -> Nodes:
    """The fleet."""
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


def in_flight_of(totals: Totals) -> InFlight:
    """Requests without an answer in the steady part."""
    if totals.oldest is None:
        return InFlight(peak=totals.in_flight_peak, oldest_ms=None, endpoint=None)
    age_ms, endpoint = totals.oldest
    return InFlight(peak=totals.in_flight_peak, oldest_ms=_rounded(age_ms), endpoint=" ".join(endpoint))


def unanswered_text(everything: EndpointStats, totals: Totals) -> str:
    """What to tell of requests that never got an answer; nothing where all did."""
    if not everything.unanswered:
        return ""
    said = f"{everything.unanswered} requests got no answer"
    if totals.oldest is None:
        return said
    age_ms, endpoint = totals.oldest
    return f"{said}; up to {totals.in_flight_peak} were in flight, the oldest for {age_ms / 1000:.0f} s ({' '.join(endpoint)})"


def errors_of(store: StoreReader) -> tuple[list[ErrorResult], int]:
    """The most frequent errors of requests, and how many different ones there are besides."""
    rows = store.errors()
    found = [
        ErrorResult(
            method=row.method, name=row.name, error=row.error, count=row.occurrences, first_s=round(row.first_s, 3)
        )
        for row in rows[:MAX_KINDS]
    ]
    return found, len(rows) - len(found)


def exceptions_of(store: StoreReader) -> tuple[list[ExceptionResult], int]:
    """The most frequent exceptions in users' code, and how many different ones there are besides."""
    rows = store.exceptions()
    found = [
        ExceptionResult(
            user_class=row.user_class,
            type=row.type,
            message=row.message,
            place=row.place,
            line=row.line,
            count=row.occurrences,
        )
        for row in rows[:MAX_KINDS]
    ]
    return found, len(rows) - len(found)


def share_excluded(fitness: FitnessLog) -> float | None:
    """The share (0 to 1) of the steady part's requests that were measured by workers that were not fit; None without any request."""
    measured = fitness.requests_fit + fitness.requests_unfit
    return round(fitness.requests_unfit / measured, 6) if measured else None


def excluded_of(store: StoreReader, steady_seconds: Sequence[int]) -> list[Excluded]:
    """The nodes that were not fit in the steady part."""
    steady = set(steady_seconds)
    return [
        Excluded(
            node=node.name,
            unfit_s=node.seconds,
            requests=node.requests,
            reasons_s=node.reasons,
            spans_s=node.spans,
            further_spans=node.further_spans,
        )
        for node in unfit_nodes(row for row in store.unfit() if row.second in steady)
    ]


def latency_of(histogram: Histogram) -> Latency:
    """The percentiles of a histogram."""
    p50, p90, p95, p99, p999 = (_rounded(value) for value in histogram.percentiles((50, 90, 95, 99, 99.9)))
    highest = _rounded(histogram.max_ms) if histogram.buckets else None
    return Latency(p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, max=highest)


def endpoint_of(endpoint: Endpoint, whole: EndpointStats, steady: EndpointStats, steady_s: int) -> EndpointResult:
    """One endpoint: counts of the whole run, rate and times of the steady part."""
    return EndpointResult(
        method=endpoint[0],
        name=endpoint[1],
        total=whole.total,
        failed=whole.failed,
        rate_per_s=round(steady.total / steady_s, 3) if steady_s else None,
        latency_ms=latency_of(steady.histogram),
        service_time_ms=latency_of(steady.service_times),
    )


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else float(f"{value_ms:.4g}")
