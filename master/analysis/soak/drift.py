"""The drift of many series: how fast each rises, how sure that is, and how slow a drift would have been seen. Pure.

The slope is that of Theil and Sen (the median of the slopes of all pairs of blocks), which an outage of some minutes does not bend.
Its interval and its test mind that blocks resemble their neighbours, which Theil and Sen's own interval does not. Two estimates of its
error are made, and the more cautious one counts:

- by an autoregression (`autoregression`). Of many series, one that shows less autocorrelation than most is taken to have as much.
- by the residuals' weights on a few slow waves, to which a trend looks alike (equal-weighted cosines; Lazarus, Lewis, Stock and Watson
  2018). So few weights tell the error of a single series badly, and its test is cautious accordingly (Student's t). Many series tell it
  together: how much more there is of slow waves than of all residuals, of each by itself and of all, weighted by how much the series
  differ from each other beyond chance (moderated t; Smyth 2004). One that stands out is judged by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special, stats

from master.analysis.soak.adjustment import DAY_S
from master.analysis.soak.autoregression import Table, table_of
from master.analysis.soak.fit import Fit, fit
from master.analysis.soak.series import Floats, Series

CONFIDENCE = 0.95
POWER = 0.9
"""Chance with which a drift of the least detectable size is found."""
MANY_SUBJECTS = 20
"""From here on series tell each other how uncertain they are."""
_STANDS_OUT = 0.99
"""Share of series that have less of slow waves than one that is judged by itself."""
_MOST_FREEDOM = 1000.0


@dataclass(frozen=True)
class Drift:
    """What became of one subject. Slopes are in the series' unit per day."""

    fit: Fit
    p_value: float
    """Of a slope that is no more than chance, one-sided."""
    errors: tuple[tuple[float, float], ...]
    """Standard errors of the slope per day, each with its degrees of freedom."""

    @property
    def per_day(self) -> float:
        """The slope."""
        return self.fit.slope * DAY_S

    @property
    def half_width_per_day(self) -> float:
        """Of the slope's interval of CONFIDENCE."""
        return max(_quantile(0.5 - CONFIDENCE / 2, freedom) * error for error, freedom in self.errors)

    def detectable_per_day(self, level: float) -> float:
        """The least slope that is found with a chance of POWER by a test at `level`."""
        return max(_detectable_errors(round(freedom, 1), level) * error for error, freedom in self.errors)


def drifts_of(series: Sequence[Series], times_s: Floats, span_s: float) -> list[Drift | None]:
    """The drift of each of `series`, whose blocks have their middles at `times_s`; None where too few blocks have a value."""
    fits = [fit(each, times_s, span_s) for each in series]
    known = [each for each in fits if each is not None and not each.exact]
    tables: dict[tuple[int, int], Table] = {}
    true = np.array([_table(each, tables).true_of(each.correlation) for each in known])
    many = len(known) > MANY_SUBJECTS
    if many:
        true = np.maximum(true, np.median(true))
    waves = _of_many(known) if many else [(each.wave_variance, float(each.waves)) for each in known]
    errors = {
        id(each): (_by_autoregression(each, _table(each, tables), correlation), _per_day(each, *of_waves))
        for each, correlation, of_waves in zip(known, true, waves, strict=True)
    }
    return [None if each is None else _drift(each, errors.get(id(each), ((0.0, 1.0),))) for each in fits]


def _drift(found: Fit, errors: tuple[tuple[float, float], ...]) -> Drift:
    slope = found.slope * DAY_S
    if found.exact:
        return Drift(found, 0.0 if slope > 0 else 1.0, errors)
    return Drift(found, max(float(stats.t.sf(slope / error, freedom)) for error, freedom in errors), errors)


def _table(found: Fit, tables: dict[tuple[int, int], Table]) -> Table:
    """The table for its blocks; nodes with as many blocks and as much fitted are alike, though their heat was not the same."""
    key = found.found.others.shape
    if key not in tables:
        tables[key] = table_of(found.found.others, found.found.trend)
    return tables[key]


def _by_autoregression(found: Fit, table: Table, correlation: float) -> tuple[float, float]:
    error, freedom = table.at(correlation)
    return DAY_S * error * math.sqrt(found.variance / found.lever), freedom


def _per_day(found: Fit, variance: float, freedom: float) -> tuple[float, float]:
    return DAY_S * math.sqrt(variance / found.lever), freedom


def _of_many(fits: Sequence[Fit]) -> list[tuple[float, float]]:
    """The variance of the slow waves of each, moderated by that of all, and its degrees of freedom."""
    freedom = min(each.waves for each in fits)
    ratios = np.array([max(each.wave_variance / each.variance, 1e-12) for each in fits])
    # Of the logarithm of a variance estimate, less what it is on average too small by: mean and variance over the series.
    logs = np.log(ratios) - special.digamma(freedom / 2) + math.log(freedom / 2)
    centre, spread = float(np.median(logs)), float(np.var(logs, ddof=1)) - float(special.polygamma(1, freedom / 2))
    prior = min(_MOST_FREEDOM, 2 * _inverse_trigamma(spread)) if spread > 0 else _MOST_FREEDOM
    usual = math.exp(max(centre, float(np.mean(logs))) + (special.digamma(prior / 2) - math.log(prior / 2)))
    beyond = usual * float(stats.f.ppf(_STANDS_OUT, freedom, prior))
    found = []
    for each, ratio in zip(fits, ratios, strict=True):
        if ratio > beyond:
            found.append((each.wave_variance, float(freedom)))
        else:
            together = (prior * usual + freedom * ratio) / (prior + freedom)
            found.append((together * each.variance, prior + freedom))
    return found


def _inverse_trigamma(value: float) -> float:
    """The number whose trigamma function is `value`, by Newton's method as in Smyth (2004)."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    found = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, found))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, found))
        found += step
        if abs(step) < 1e-8 * found:
            break
    return found


@lru_cache(maxsize=4096)
def _quantile(share_above: float, freedom: float) -> float:
    return float(stats.t.isf(share_above, freedom))


@lru_cache(maxsize=1024)
def _detectable_errors(freedom: float, level: float) -> float:
    """How many true standard errors a slope must be large, that Student's t passes its critical value with a chance of POWER.

    By the distribution of the error's own estimate, in steps of equal chance; SciPy's noncentral t is no help so far out.
    """
    critical = float(stats.t.isf(level, freedom))
    estimates = np.sqrt(stats.chi2.ppf((np.arange(400) + 0.5) / 400, freedom) / freedom)
    low, high = 0.0, 10 * critical + 10
    for _ in range(60):
        middle = (low + high) / 2
        if float(stats.norm.cdf(middle - critical * estimates).mean()) < POWER:
            low = middle
        else:
            high = middle
    return high
