"""Run directories to one comparison: of two runs that have ended, and of one that ends just now with its baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from master.analysis.compare.blocks import MIN_CELLS
from master.analysis.compare.cells import read_cells
from master.analysis.compare.comparable import Keys, scenario_faults, verdict_fault
from master.analysis.compare.comparison import ComparedSide, compare
from master.analysis.compare.machine import machine_work
from master.analysis.runs import StoredRun
from master.errors import InputError
from master.judge.result import Comparison, Floors, Result
from master.scenario.model import Scenario
from master.scenario.suggest import did_you_mean
from master.store import StoreReader
from master.yaml_file.document import parse_document

BASELINE_KEY = "baseline"
"""The key in `meta` of run.db of the run directory with which the run is compared, an absolute path."""
_HINT = "Name a run of this scenario that is PASS or FAIL, or leave --baseline out."


def compare_runs(baseline: Path, run: Path, floors: Floors) -> Comparison:
    """Compare two runs that have ended. Raises InputError where either is no run directory, or can't be read."""
    return compare(_side(baseline), _side(run), floors)


def compare_with_baseline(result: Result, store: StoreReader, scenario: Scenario) -> Comparison | None:
    """Compare a run that has just been judged with the baseline that its run.db names; None where it names none.

    Raises InputError where the baseline can't be read any more.
    """
    baseline = store.meta(BASELINE_KEY)
    if not isinstance(baseline, str):
        return None
    # As it was written when the run began: one that is judged again does not ask for the files that its scenario names.
    written = store.meta("scenario")
    keys = _keys_in(written) if isinstance(written, str) else _keys(scenario)
    run = ComparedSide(result, keys, store.nodes(), read_cells(store), machine_work(store))
    return compare(_side(Path(baseline)), run)


def check_baseline(baseline: Path, scenario: Scenario, *, simulated: bool) -> None:
    """Raise InputError where a run of `scenario` could not be compared with the run directory `baseline`."""
    run = StoredRun.open(baseline)
    faults = [
        *filter(None, [verdict_fault(run.result, "it")]),
        *scenario_faults(run.scenario, _keys(scenario), simulated=simulated and run.result.nodes.simulated),
    ]
    if run.result.nodes.simulated is not simulated:
        faults.append("other fleet: one of the two is simulated")
    with run.store() as store:
        steady_s = sum(row.steady for row in store.seconds())
    if steady_s < MIN_CELLS:
        faults.append(f"it has {steady_s} s of steady load, {MIN_CELLS} s are needed")
    asked = [f"{row.method} {row.name}" for row in run.result.endpoints]
    for rule in scenario.thresholds:
        name = " ".join(rule.endpoint or ())
        if rule.compared_metric is not None and name and name not in asked:
            faults.append(f"{rule.text!r}: it never asked for {name}{did_you_mean(name, asked)}")
    if faults:
        raise InputError(f"--baseline {baseline} can't be compared with this run: {'; '.join(faults)}", hint=_HINT)


def _side(path: Path) -> ComparedSide:
    run = StoredRun.open(path)
    with run.store() as store:
        return ComparedSide.of(run, store)


def _keys(scenario: Scenario) -> Keys:
    return _keys_in(scenario.to_yaml())


def _keys_in(text: str) -> Keys:
    keys: Any = parse_document(text, Path("scenario.yml")).data
    return keys if isinstance(keys, dict) else {}
