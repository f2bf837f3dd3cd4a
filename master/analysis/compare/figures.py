"""The figures of two runs that can be compared, endpoint by endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, expm1
from typing import TYPE_CHECKING

from master.analysis.compare.blocks import block_length, draw_weights, shortfall
from master.analysis.compare.cells import RunCells
from master.analysis.compare.decide import CONFIDENCE, Interval, Pair, intervals, outcome
from master.analysis.compare.estimates import METRICS, PERCENTS, Estimates, estimate, series
from master.judge.result import ComparedEndpoint, ComparedFigure, ComparisonMethod, Floors
from worker.load.in_flight import Endpoint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 2000
"""Enough for the 95 % point of the largest difference to a few percent of it."""
SEED = 20040101
"""The same runs give the same comparison."""
OVERALL: Endpoint = ("", "")
_LARGEST_LOG = 100.0
"""Of a ratio; where next to nothing is known it has no end."""


@dataclass(frozen=True)
class ComparedCells:
    """All figures of two runs."""

    overall: ComparedEndpoint
    endpoints: list[ComparedEndpoint]
    only_in_baseline: list[str]
    only_in_run: list[str]
    method: ComparisonMethod


def compare_cells(baseline: RunCells, run: RunCells, floors: Floors, resamples: int = RESAMPLES) -> ComparedCells:
    """Compare what both runs counted. With fewer `resamples` it is faster, and less exact."""
    both = [endpoint for endpoint in run.endpoints if endpoint in baseline.endpoints]
    sides = [_Resampled(cells, stream, resamples) for stream, cells in enumerate((baseline, run))]
    estimates = {endpoint: (sides[0].of(endpoint), sides[1].of(endpoint)) for endpoint in (OVERALL, *sorted(both))}
    judged = {
        (endpoint, metric): Pair(
            before.values[metric], after.values[metric], before.replicates[metric], after.replicates[metric]
        )
        for endpoint, (before, after) in estimates.items()
        for metric in METRICS
        if metric in before.values and metric in after.values
    }
    reach: dict[Endpoint, dict[str, Interval]] = {endpoint: {} for endpoint in estimates}
    found_intervals = intervals([*judged.values()], sides[0].blocks, sides[1].blocks)
    for (endpoint, metric), interval in zip(judged, found_intervals, strict=True):
        reach[endpoint][metric] = interval
    compared = {endpoint: _endpoint(endpoint, pair, reach[endpoint], floors) for endpoint, pair in estimates.items()}
    return ComparedCells(
        overall=compared.pop(OVERALL),
        endpoints=[*compared.values()],
        only_in_baseline=_names(set(baseline.endpoints) - set(both)),
        only_in_run=_names(set(run.endpoints) - set(both)),
        method=ComparisonMethod(
            confidence=CONFIDENCE,
            floors=floors,
            figures=len(judged),
            resamples=resamples,
            baseline_block_s=float(sides[0].length * baseline.cell_s),
            run_block_s=float(sides[1].length * run.cell_s),
        ),
    )


class _Resampled:
    """A run, and its resamples."""

    def __init__(self, cells: RunCells, stream: int, resamples: int) -> None:
        import numpy as np  # noqa: PLC0415

        self._cells = cells
        number = len(cells.lengths_s)
        self.length = block_length(series(cells.overall), number)
        self.blocks = number / self.length
        self._weights: NDArray[np.float32] = draw_weights(
            cells.segments, self.length, resamples, np.random.default_rng((SEED, stream))
        )
        requests, *latencies = [shortfall(values, self._weights) for values in series(cells.overall)]
        middle, tail = latencies or (1.0, 1.0)
        self._shortfalls = (
            dict.fromkeys(METRICS, requests) | dict.fromkeys(PERCENTS, max(middle, tail)) | {"p50": middle}
        )

    def of(self, endpoint: Endpoint) -> Estimates:
        """The figures of an endpoint, or of all of them."""
        counted = self._cells.overall if endpoint == OVERALL else self._cells.endpoints[endpoint]
        found = estimate(counted, self._cells.lengths_s, self._weights)
        for metric, value in found.values.items():
            found.replicates[metric] = value + (found.replicates[metric] - value) * self._shortfalls[metric]
        return found


def _endpoint(
    endpoint: Endpoint, pair: tuple[Estimates, Estimates], reach: Mapping[str, Interval], floors: Floors
) -> ComparedEndpoint:
    before, after = pair
    figures = {
        metric: _figure(metric, before, after, reach[metric], floors)
        if metric in reach
        else _unknown(metric, before, after)
        for metric in METRICS
    }
    return ComparedEndpoint(
        method=endpoint[0],
        name=endpoint[1],
        baseline_requests=before.requests,
        run_requests=after.requests,
        rate_per_s=figures["rate"],
        error_share=figures["errors"],
        p50_ms=figures["p50"],
        p90_ms=figures["p90"],
        p95_ms=figures["p95"],
        p99_ms=figures["p99"],
        baseline_distribution_ms=before.distribution_ms,
        run_distribution_ms=after.distribution_ms,
    )


def _figure(metric: str, before: Estimates, after: Estimates, reach: Interval, floors: Floors) -> ComparedFigure:
    shares = _as_difference(reach) if metric == "errors" else _as_ratio(reach)
    one, other = _value(metric, before), _value(metric, after)
    assert one is not None  # it has an interval
    assert other is not None
    return ComparedFigure(
        baseline=one,
        run=other,
        change=round(shares.change, 6),
        change_low=round(shares.low, 6),
        change_high=round(shares.high, 6),
        outcome=outcome(metric, shares, other - one if metric in PERCENTS else None, floors),
    )


def _as_difference(reach: Interval) -> Interval:
    """A share of errors can't change by more than all of it."""
    return Interval(reach.change, max(reach.low, -1.0), min(reach.high, 1.0))


def _as_ratio(reach: Interval) -> Interval:
    return Interval(*(expm1(min(log, _LARGEST_LOG)) for log in (reach.change, reach.low, reach.high)))


def _value(metric: str, estimates: Estimates) -> float | None:
    value = estimates.values.get(metric)
    if value is None:
        return None
    return round(value, 6) if metric == "errors" else float(f"{exp(value):.4g}")


def _unknown(metric: str, before: Estimates, after: Estimates) -> ComparedFigure:
    return ComparedFigure(
        baseline=_value(metric, before),
        run=_value(metric, after),
        change=None,
        change_low=None,
        change_high=None,
        outcome="unknown",
        unknown_because="too few requests" if metric in {"rate", "errors"} else "too few latencies of fit nodes",
    )


def _names(endpoints: set[Endpoint]) -> list[str]:
    return sorted(" ".join(endpoint) for endpoint in endpoints)
