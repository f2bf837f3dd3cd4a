"""Two runs, endpoint by endpoint, to one comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from master.analysis.compare.blocks import MIN_CELLS
from master.analysis.compare.cells import RunCells, read_cells
from master.analysis.compare.comparable import (
    machine_faults,
    machine_notes,
    result_faults,
    result_notes,
    scenario_faults,
    scenario_notes,
    verdict_fault,
)
from master.analysis.compare.estimates import DISTRIBUTION_PERCENTS
from master.analysis.compare.figures import compare_cells
from master.analysis.compare.machine import MachineWork, machine_work, work_notes
from master.analysis.compare.words import coarseness, reason_for, rows_of, together
from master.analysis.runs import StoredRun
from master.judge.result import (
    ComparedRun,
    Comparison,
    Floors,
    Result,
)
from master.store import StoreReader
from worker.wire.messages import Facts


@dataclass(frozen=True)
class ComparedSide:
    """What a comparison needs of a run."""

    result: Result
    scenario: Mapping[str, object]
    facts: Mapping[str, Facts | None]
    cells: RunCells | None
    work: MachineWork | None = None

    @classmethod
    def of(cls, run: StoredRun, store: StoreReader) -> ComparedSide:
        """A run that has ended. Raises InputError for a scenario, and sqlite3.Error for a run.db, that can't be read."""
        return cls(run.result, run.scenario, store.nodes(), read_cells(store), machine_work(store))


def compare(baseline: ComparedSide, run: ComparedSide, floors: Floors | None = None) -> Comparison:
    """What of the target's figures differs between two runs; where they can't be compared, the reasons."""
    simulated = baseline.result.nodes.simulated and run.result.nodes.simulated
    verdicts = [verdict_fault(baseline.result, "the baseline"), verdict_fault(run.result, "the run")]
    faults = [
        *(fault for fault in verdicts if fault),
        *scenario_faults(baseline.scenario, run.scenario, simulated=simulated),
        *result_faults(baseline.result, run.result),
        *machine_faults(baseline.facts, run.facts),
        *_shortness(baseline.cells, "the baseline"),
        *_shortness(run.cells, "the run"),
    ]
    found = Comparison(
        baseline=_side(baseline.result),
        run=_side(run.result),
        outcome="unknown",
        reason="",
        not_comparable=faults,
        notes=[
            *scenario_notes(baseline.scenario, run.scenario),
            *result_notes(baseline.result, run.result),
            *machine_notes(baseline.facts, run.facts),
            *work_notes(baseline.work, run.work),
        ],
        method=None,
        distribution_percents=list(DISTRIBUTION_PERCENTS),
        overall=None,
        endpoints=[],
        only_in_baseline=[],
        only_in_run=[],
    )
    if not faults:
        assert baseline.cells is not None  # or it would be too short
        assert run.cells is not None
        figures = compare_cells(baseline.cells, run.cells, floors or Floors())
        found.overall, found.endpoints, found.method = figures.overall, figures.endpoints, figures.method
        found.only_in_baseline, found.only_in_run = figures.only_in_baseline, figures.only_in_run
        found.outcome = together(figure.outcome for row in rows_of(found) for figure in row.figures.values())
        if found.outcome == "unknown":
            found.not_comparable = ["no endpoint has enough requests in both runs: hold the load for longer"]
        found.notes += coarseness(found)
    found.reason = reason_for(found)
    return found


def _side(result: Result) -> ComparedRun:
    return ComparedRun(
        run_id=result.run_id,
        started_at=result.started_at,
        verdict=result.verdict,
        target=result.target,
        steady_s=result.steady_s,
        piswarm=result.versions.piswarm,
    )


def _shortness(cells: RunCells | None, which: str) -> list[str]:
    number = 0 if cells is None else len(cells.lengths_s)
    if number >= MIN_CELLS:
        return []
    steady = 0 if cells is None else int(cells.lengths_s.sum())
    needed = MIN_CELLS * (1 if cells is None else cells.cell_s)
    return [f"{which} has {steady} s of steady load, {needed} s are needed: hold the load for longer"]
