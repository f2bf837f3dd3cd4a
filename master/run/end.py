"""The end of a run: from what was measured to its result and its files, or to saying what is missing and where the rest is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from locust import __version__ as locust_version

from master.analysis.compare.files import compare_with_baseline
from master.errors import AbortError
from master.fleet.refusals import refusal_warnings
from master.judge.outcome import conclude, note_bottleneck
from master.judge.project_outcome import ProjectOutcome
from master.judge.result import Result
from master.judge.run_facts import CacheCounts, RunFacts
from master.judge.warnings import lost_spans
from master.report.files import write_outcome
from master.run.collect.collector import Collector
from master.run.collect.shape_stages import stages_asked
from master.run.directory import RunDirectory
from master.run.shutdown import RunFaults, Shutdown, describe, missing_files
from master.run.start.prepared_run import PreparedRun
from master.run.stop import StopRequest
from master.scenario import Scenario

CLOCK_OFF_S = 1.0
"""Offset of a node's wall clock beyond which the result lists it."""


@dataclass(frozen=True)
class FinishedRun:
    """A run that came to its end."""

    result: Result
    directory: RunDirectory
    problems: Sequence[str]
    """What did not go well at its end, for the operator: files that are elsewhere, processes that live still."""
    fault: Exception | None
    """The fault of piswarm's own that ended it; None when there was none."""


@dataclass(frozen=True)
class LoadOutcome:
    """What the load left beside what is in run.db."""

    target: str
    """Its URL."""
    unreported_workers: Sequence[str] = ()
    """Workers that sent no final report."""
    cache: CacheCounts | None = None
    """What the target counted of its caches in the steady part; None where it did not say."""
    project: ProjectOutcome | None = None
    """What the locustfile's master side has to say; None without a locustfile."""


def conclude_run(  # noqa: PLR0917  # a run's facts are in all its parts
    prepared: PreparedRun,
    collector: Collector,
    stop: StopRequest,
    faults: RunFaults,
    outcome: LoadOutcome,
    warnings: Sequence[str],
) -> Result:
    """Judge the run. One whose facts can't be put together is ABORTED.

    Raises AbortError where there can't be a result at all; it says what is missing and where what was measured is.
    """
    scenario = _as_run(prepared)
    try:
        facts = _facts(prepared, collector, stop, outcome, warnings)
        result = conclude(
            scenario,
            prepared.store,
            collector.fitness,
            facts,
            lambda judged: compare_with_baseline(judged, prepared.store, scenario),
        )
        return note_bottleneck(result, scenario, prepared.store, facts)
    except Exception as error:  # noqa: BLE001  # whatever it is, the operator gets a result, or the reason why there is none
        faults.note(error)
    try:
        bare = _bare_facts(prepared, stop, outcome, warnings)
        return conclude(scenario, prepared.store, collector.fitness, bare)
    except Exception as error:
        directory = prepared.directory
        files = missing_files([directory.result, directory.junit, directory.report])
        raise AbortError(
            f"the result can't be worked out: {describe(error)}. Not written: {files}",
            hint=f"What was measured is in {directory.database}.",
        ) from error


def _as_run(prepared: PreparedRun) -> Scenario:
    """The scenario, with the stages that a LoadTestShape has asked for."""
    if prepared.scenario.shape is None:
        return prepared.scenario
    return replace(prepared.scenario, load=stages_asked(prepared.store) or prepared.scenario.load)


def _facts(
    prepared: PreparedRun, collector: Collector, stop: StopRequest, outcome: LoadOutcome, warnings: Sequence[str]
) -> RunFacts:
    registry, server = prepared.registry, prepared.server
    return replace(
        _bare_facts(prepared, stop, outcome, warnings),
        duration_s=collector.duration_s,
        steady_seconds=collector.steady_seconds(),
        users_peak=collector.record.users_peak,
        nodes_peak=registry.peak_ready,
        nodes_lost=len(registry.ever_lost),
        nodes_quarantined=len(registry.ever_quarantined),
        ready_s=collector.record.ready_s,
        gaps=collector.timeline.gaps,
        clocks_off=registry.clocks_off(CLOCK_OFF_S),
        dropped_messages=collector.refusals.named(server.drops + collector.dropped + collector.agents.dropped),
        unreported_workers=sorted({*outcome.unreported_workers, *collector.report_acks.unreported}),
        broken_rule=collector.broken_rule,
        silent_classes=collector.user_classes.silent,
        aborted=stop.reason or collector.record.stop_reason,
        ended_early=stop.requested,
        offered=None
        if collector.timeline.arrivals is None
        else collector.timeline.offered_before(collector.duration_s),
        start_skew_s=collector.timeline.start_skew_s,
        data=collector.data.results(),
        cache=outcome.cache,
        warnings=[
            *warnings,
            *_project_warnings(outcome.project),
            *refusal_warnings(prepared.store.events()),
            *lost_spans(prepared.store.errors()),
        ],
    )


def _bare_facts(prepared: PreparedRun, stop: StopRequest, outcome: LoadOutcome, warnings: Sequence[str]) -> RunFacts:
    """What is known of a run without looking at what it measured."""
    return RunFacts(
        run_id=prepared.directory.name,
        started_at=prepared.started_at,
        duration_s=0.0,
        target=outcome.target,
        steady_seconds=[],
        users_peak=0,
        nodes_peak=0,
        nodes_lost=0,
        nodes_quarantined=0,
        ready_s=None,
        gaps=[],
        simulated=prepared.registry.simulated,
        slowed=prepared.access.roster is None and not prepared.access.separate_processes,
        clocks_off={},
        dropped_messages={},
        unreported_workers=sorted(outcome.unreported_workers),
        locust_version=locust_version,
        aborted=stop.reason,
        warnings=[*warnings, *_project_warnings(outcome.project)],
        project=outcome.project,
    )


def _project_warnings(project: ProjectOutcome | None) -> list[str]:
    if project is None:
        return []
    said = [] if project.halted is None else [f"the run ended before its time: {project.halted}"]
    if project.dropped:
        said.append(f"{project.dropped} reports and messages of workers were dropped: listeners were too slow for them")
    return said


def write_result(
    prepared: PreparedRun, result: Result, shutdown: Shutdown, show: Callable[[Result, RunDirectory], None]
) -> Exception | None:
    """Write result.json, junit.xml and report.html, and `show` the result; the fault of piswarm's own that kept any from it."""
    directory = prepared.directory
    try:
        shutdown.problems += write_outcome(result, prepared.store, prepared.scenario.to_yaml(), directory, show)
    except Exception as error:  # noqa: BLE001  # whatever it is, the rest is to be closed, and the operator informed
        files = missing_files([directory.result, directory.junit, directory.report])
        missing = f"not written: {files}; " if files else ""
        shutdown.problems.append(
            f"writing the result failed: {describe(error)}; {missing}what was measured is in {directory.database}"
        )
        return error
    return None
