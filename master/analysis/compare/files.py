"""Two run directories to one comparison."""

from __future__ import annotations

from pathlib import Path

from master.analysis.compare.comparison import ComparedSide, compare
from master.analysis.runs import StoredRun
from master.judge.result import Comparison, Floors


def compare_runs(baseline: Path, run: Path, floors: Floors) -> Comparison:
    """Compare two runs that have ended. Raises InputError where either is no run directory, or can't be read."""
    return compare(_side(baseline), _side(run), floors)


def _side(path: Path) -> ComparedSide:
    run = StoredRun.open(path)
    with run.store() as store:
        return ComparedSide.of(run, store)
