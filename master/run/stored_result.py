"""The result of a run whose controller has left none: judged again, as far as run.db has it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from itertools import chain

import msgspec

from master.analysis.compare.files import compare_with_baseline
from master.fleet.refusals import refusal_warnings
from master.judge.outcome import conclude, note_bottleneck
from master.judge.result import Result, VerdictName
from master.judge.run_facts import RunFacts
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.steady_part import SteadyPart
from master.judge.seconds.stored_seconds import stored_seconds, stored_spans
from master.judge.warnings import lost_spans
from master.run.checkpoint import Checkpoint, read_checkpoint
from master.run.collect.latest_seconds import CLOSED_AFTER_S
from master.run.collect.resume import resume_fitness
from master.run.collect.sample_intake import samples_due
from master.run.collect.shape_stages import stages_asked
from master.run.collect.timeline import judged_part
from master.run.directory import RunDirectory
from master.scenario import Scenario, scenario_as_run
from master.scenario.units import format_duration
from master.store import CHECKPOINT_KEY, CONTROLLER, StoreReader

CLOCK_OFF_S = 1.0
"""Offset of a node's wall clock beyond which the result lists it."""
_WORKED_OUT = (
    "this result was worked out of run.db alone, which has nothing of data rows, the target's caches and what a locustfile's master "
    "side had to say"
)


def judge_stored(directory: RunDirectory, store: StoreReader) -> Result:
    """Judge a run that has no result.json.

    One whose controller was killed is ABORTED, with the figures of the part until then; one that had been judged keeps its verdict.
    Raises InputError where the load never began, or the scenario can't be read; sqlite3.Error where run.db can't.
    """
    checkpoint = read_checkpoint(store.meta(CHECKPOINT_KEY), directory.path)
    scenario = scenario_as_run(directory.scenario)
    if scenario.shape is not None:
        scenario = replace(scenario, load=stages_asked(store) or scenario.load)
    verdict = store.meta("verdict")
    steady = judged_part(checkpoint.steady_spans)
    if verdict is None:
        steady = _complete(steady, checkpoint.offset_s - CLOSED_AFTER_S)
    facts = _facts(directory, store, scenario, checkpoint, steady, killed=verdict is None)
    fitness = _fitness(store, scenario, checkpoint, steady)
    result = conclude(scenario, store, fitness, facts, lambda judged: compare_with_baseline(judged, store, scenario))
    if verdict is not None and verdict != result.verdict:
        result.reason = (
            f"It was judged {verdict} at its end. What run.db has of it comes to {result.verdict}: {result.reason}"
        )
        result.verdict = msgspec.convert(verdict, VerdictName)
    return note_bottleneck(result, scenario, store, facts)


def _complete(steady: SteadyPart, before_s: float) -> SteadyPart:
    """The steady part without the last seconds before the controller was killed: not all workers had reported these."""
    return SteadyPart((start_s, min(end_s, before_s)) for start_s, end_s in steady.spans if start_s < before_s)


def _fitness(store: StoreReader, scenario: Scenario, checkpoint: Checkpoint, steady: SteadyPart) -> FitnessLog:
    log, samples = resume_fitness(store, steady)
    seconds = steady.seconds()
    thinned = ((span.second, span.facts) for span in stored_spans(store, seconds))
    for second, facts in chain(thinned, stored_seconds(store, seconds)):
        if second in steady:
            log.add_requests(*(sum(tally.total for tally in part.values()) for part in (facts.fit, facts.unfit)))
    _expect_samples(log, samples, store, samples_due(steady.spans, scenario.sample_period_s))
    log.clock_error_kept = False
    for node in checkpoint.nodes_lost:
        log.note_lost(node)
    return log


def _expect_samples(log: FitnessLog, samples: Counter[str], store: StoreReader, due: int) -> None:
    log.expect_controller(due, min(due, samples[CONTROLLER]))
    for node in store.nodes():
        if node != CONTROLLER:
            log.expect_samples(node, due, min(due, samples[node]))


def _facts(  # a run's facts are in all its parts
    directory: RunDirectory,
    store: StoreReader,
    scenario: Scenario,
    checkpoint: Checkpoint,
    steady: SteadyPart,
    *,
    killed: bool,
) -> RunFacts:
    nodes = {name: facts for name, facts in store.nodes().items() if name != CONTROLLER}
    offsets_s = {row.name: row.wall_offset_s for row in store.node_rows() if row.wall_offset_s is not None}
    ended_s = checkpoint.offset_s if checkpoint.ended_s is None else checkpoint.ended_s
    return RunFacts(
        run_id=directory.name,
        started_at=datetime.fromisoformat(str(store.meta("started_at"))),
        duration_s=ended_s,
        target=scenario.target,
        steady_seconds=steady.seconds(),
        users_peak=checkpoint.users_peak,
        nodes_peak=checkpoint.nodes_peak,
        nodes_lost=len(checkpoint.nodes_lost),
        nodes_quarantined=len(checkpoint.nodes_quarantined),
        ready_s=checkpoint.ready_s,
        simulated=any(facts is not None and facts.simulated for facts in nodes.values()),
        slowed=False,
        gaps=checkpoint.gaps,
        clocks_off={name: off_s for name, off_s in offsets_s.items() if abs(off_s) > CLOCK_OFF_S},
        dropped_messages=checkpoint.dropped,
        unreported_workers=checkpoint.unreported_workers,
        locust_version=version("locust"),
        broken_rule=checkpoint.broken_rule,
        aborted=_killed_text(checkpoint) if killed else checkpoint.reason,
        ended_early=killed,
        offered=checkpoint.arrivals_due if scenario.open_model else None,
        start_skew_s=checkpoint.start_skew_s,
        warnings=[
            *msgspec.convert(store.meta("warnings") or [], list[str]),
            *refusal_warnings(store.events()),
            *lost_spans(store.errors()),
            _WORKED_OUT,
        ],
    )


def _killed_text(checkpoint: Checkpoint) -> str:
    if checkpoint.ended_s is not None:
        return "The controller was killed after the load had ended, before all that was measured had come in."
    return f"The controller was killed {format_duration(round(checkpoint.offset_s, 1))} after the load had begun."
