"""The trend of runs: their figures in order of time, and where they changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from master.analysis.trend.change_points import (
    LEVEL,
    MIN_VALUES,
    Candidates,
    ChangePoint,
    certain,
    change_points,
    level_of,
)
from master.analysis.trend.document import Change, Series, Trend, TrendRun
from master.analysis.trend.metrics import METRICS, Figures, Key, Metric, figures_of
from master.analysis.trend.selection import choose
from master.judge.result import Floors
from worker.printable import printable

_LEAST, _MOST = 0.0, 1e12
"""A figure beyond these is none, whatever a file says."""


def trend_of(paths: Sequence[Path], floors: Floors, like: Path | None = None) -> Trend:
    """The trend of the runs in `paths`. Raises InputError where there is none: see `choose`."""
    reference, chosen = choose(paths, like)
    figures = [figures_of(each.run.result) if each.run and each.left_out is None else {} for each in chosen]
    return Trend(
        scenario=printable(reference.result.scenario),
        like=reference.name,
        floors=floors,
        false_discovery_rate=LEVEL,
        min_runs=MIN_VALUES,
        runs=[
            TrendRun(
                name=printable(each.path.resolve().name),
                directory=printable(str(each.path)),
                started_at=each.run.result.started_at if each.run else None,
                verdict=each.run.result.verdict if each.run else None,
                left_out=None if each.left_out is None else printable(each.left_out),
                notes=[printable(note) for note in each.notes],
            )
            for each in chosen
        ],
        series=all_series(figures, floors),
    )


def all_series(figures: Sequence[dict[Key, Figures]], floors: Floors) -> list[Series]:
    """Every metric of every endpoint that any of the runs has, with the changes that are certain over all of them together."""
    keys = sorted({key for run in figures for key in run if key is not None}, key=lambda key: (key[1], key[0]))
    both = [(key, metric) for key in (None, *keys) for metric in METRICS]
    measured = [_measured(figures, key, metric) for key, metric in both]
    found = [_candidates(metric, each, floors) for (_, metric), each in zip(both, measured, strict=True)]
    tested = iter(certain([each for each in found if each is not None]))
    series = []
    for (key, metric), each, candidates in zip(both, measured, found, strict=True):
        points = [] if candidates is None else next(tested)
        series.append(_series(key, metric, each, points, len(figures)))
    return series


Measured = list[tuple[int, float, int]]
"""The runs that have a value: which, the value, and how many requests it is of."""


def _measured(figures: Sequence[dict[Key, Figures]], key: Key, metric: Metric) -> Measured:
    found = []
    for index, run in enumerate(figures):
        of_endpoint = run.get(key)
        value = None if of_endpoint is None else of_endpoint.values[metric]
        if of_endpoint is not None and value is not None and _LEAST <= value <= _MOST and of_endpoint.requests > 0:
            found.append((index, value, of_endpoint.requests))
    return found


def _candidates(metric: Metric, measured: Measured, floors: Floors) -> Candidates | None:
    """None where there are too few values to look at: then the series is none of those that are judged together."""
    if len(measured) < MIN_VALUES:
        return None
    scaled = [metric.scaled(value) for _, value, _ in measured]
    return change_points(scaled, _min_noise(metric, measured), metric.matters(floors))


def _min_noise(metric: Metric, measured: Measured) -> float:
    return metric.min_noise([requests for *_, requests in measured])


def _series(key: Key, metric: Metric, measured: Measured, points: Sequence[ChangePoint], runs: int) -> Series:
    values: list[float | None] = [None] * runs
    for index, value, _ in measured:
        values[index] = _rounded(value)
    level = None
    if measured:
        scaled = [metric.scaled(value) for _, value, _ in measured]
        start = points[-1].index if points else 0
        level = _rounded(metric.unscaled(level_of(scaled, _min_noise(metric, measured), start)))
    return Series(
        method=None if key is None else printable(key[0]),
        name=None if key is None else printable(key[1]),
        metric=metric.key,
        values=values,
        level=level,
        changes=[_change(metric, point, measured[point.index][0]) for point in points],
    )


def _change(metric: Metric, point: ChangePoint, run: int) -> Change:
    before, after = metric.unscaled(point.before), metric.unscaled(point.after)
    middle, shift = (point.before + point.after) / 2, point.after - point.before
    low, high = (
        metric.unscaled(middle + moved / 2) - metric.unscaled(middle - moved / 2)
        for moved in (shift - point.half_width, shift + point.half_width)
    )
    ratios = (
        [math.expm1(shift + moved) for moved in (0, -point.half_width, point.half_width)] if metric.relative else []
    )
    relative, relative_low, relative_high = map(_rounded, ratios) if ratios else (None, None, None)
    return Change(
        run=run,
        before=_rounded(before),
        after=_rounded(after),
        difference=_rounded(after - before),
        difference_low=_rounded(low),
        difference_high=_rounded(high),
        relative=relative,
        relative_low=relative_low,
        relative_high=relative_high,
        outcome="worse" if shift * metric.worse > 0 else "better",
        p_value=_rounded(point.p_value),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
