"""How often a comparison of simulated runs raises a false alarm, and how often it finds what got slower."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from simulated_runs import SimulatedTarget, simulated_run

from master.analysis.compare.figures import ComparedCells, compare_cells
from master.judge.result import Floors

RATES_PER_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0) * 2
"""Of the endpoints: some are asked for seldom."""
SLOWER = 1.1
SLOW_ENDPOINT = 4
RESAMPLES = 500
"""A quarter of what `piswarm compare` draws: critical values are less exact, not smaller."""
SEED = 20260301
_NO_FLOORS = Floors(share=0.0, latency_ms=0.0, error_share=0.0)
_FLOORS = Floors()


@dataclass(frozen=True)
class PairCase:
    """Runs of one kind."""

    seconds: int
    autocorrelation: float
    wander: float
    between_runs: float = 0.01
    """By how much the medians of two runs of the same differ anyway: what floors are for."""
    long_enough: bool = True
    """Whether a slowdown of 10 % must be found in 95 % of pairs."""


CASES = (
    PairCase(60, 0.0, 0.03, long_enough=False),
    PairCase(75, 0.8, 0.05, long_enough=False),
    PairCase(300, 0.5, 0.05),
    PairCase(600, 0.8, 0.05),
    PairCase(1200, 0.9, 0.05),
    PairCase(300, 0.97, 0.1, long_enough=False),
)


@dataclass(frozen=True)
class Rates:
    """Shares of the pairs of a case."""

    case: PairCase
    pairs: int
    alarms: float
    """Of runs of the same, without floors: what the intervals alone do."""
    alarms_with_floors: float
    """Of runs of the same that differ a little anyway, as `piswarm compare` would call them."""
    one_found: float
    """One endpoint of twelve is slower, and it is named."""
    all_found: float
    """All of them are."""


def measure_pairs(cases: tuple[PairCase, ...], pairs: int) -> Iterator[Rates]:
    """Compare so many pairs of each case and kind; the shares, case by case."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # each process has a core of its own
    with ProcessPoolExecutor() as pool:
        for case in cases:
            shares = [
                sum(pool.map(partial(kind, case), range(pairs), chunksize=4)) / pairs
                for kind in (_false_alarm, _false_alarm_with_floors, _finds_one, _finds_all)
            ]
            yield Rates(case, pairs, *shares)


def _false_alarm(case: PairCase, number: int) -> bool:
    return bool(_changed(_compared(_target(case, 0.0), _target(case, 0.0), case, number, _NO_FLOORS)))


def _false_alarm_with_floors(case: PairCase, number: int) -> bool:
    same = _target(case, case.between_runs)
    return bool(_changed(_compared(same, same, case, number, _FLOORS)))


def _finds_one(case: PairCase, number: int) -> bool:
    slower = _target(case, case.between_runs, {SLOW_ENDPOINT: SLOWER})
    found = _changed(_compared(_target(case, case.between_runs), slower, case, number, _FLOORS))
    return (f"/{SLOW_ENDPOINT}", "worse") in found


def _finds_all(case: PairCase, number: int) -> bool:
    slower = _target(case, case.between_runs, dict.fromkeys(range(len(RATES_PER_S)), SLOWER))
    found = _changed(_compared(_target(case, case.between_runs), slower, case, number, _FLOORS))
    return any(outcome == "worse" for _, outcome in found)


def _target(case: PairCase, between_runs: float, slower: dict[int, float] | None = None) -> SimulatedTarget:
    return SimulatedTarget(
        RATES_PER_S,
        autocorrelation=case.autocorrelation,
        wander=case.wander,
        between_runs=between_runs,
        slower=slower or {},
    )


def _compared(
    before: SimulatedTarget, after: SimulatedTarget, case: PairCase, number: int, floors: Floors
) -> ComparedCells:
    dice = np.random.default_rng((SEED, number))
    runs = [simulated_run(target, case.seconds, dice) for target in (before, after)]
    return compare_cells(runs[0], runs[1], floors, RESAMPLES)


def _changed(found: ComparedCells) -> set[tuple[str, str]]:
    """The endpoints that changed, by name, and how."""
    return {
        (row.name, figure.outcome)
        for row in (found.overall, *found.endpoints)
        for figure in row.figures.values()
        if figure.outcome in {"better", "worse"}
    }
