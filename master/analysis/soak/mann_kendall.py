"""The test of Mann and Kendall for a monotonic trend, for values that resemble their neighbours. Pure."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from master.analysis.soak.series import Floats


def rising(values: Floats, slope: float, times_s: Floats, inflation: float = 1.0) -> float:
    """The p value of values that rise no more than by chance, one-sided.

    The variance of Kendall's S is the larger by what Hamed and Rao (1998) make of the autocorrelation of the ranks without their trend
    (those lags that are significant), and by `inflation`, for what else was fitted to the values.
    """
    count = len(values)
    later = np.sign(values[None, :] - values[:, None])
    score = float(np.triu(later, 1).sum())
    _, ties = np.unique(values, return_counts=True)
    variance = count * (count - 1) * (2 * count + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())
    variance = variance / 18 * max(1.0, _ranks_factor(values - slope * times_s)) * max(1.0, inflation)
    if variance <= 0:
        return 1.0
    return float(stats.norm.sf((score - math.copysign(1, score)) / math.sqrt(variance))) if score else 0.5


def _ranks_factor(detrended: Floats) -> float:
    ranks = stats.rankdata(detrended)
    ranks = ranks - ranks.mean()
    total = float(ranks @ ranks)
    count = len(ranks)
    if total == 0:
        return 1.0
    factor, bound = 0.0, 1.96 / math.sqrt(count)
    for lag in range(1, count // 2):
        correlation = float(ranks[lag:] @ ranks[:-lag]) / total
        if abs(correlation) > bound:
            factor += (count - lag) * (count - lag - 1) * (count - lag - 2) * correlation
    return 1 + 2 * factor / (count * (count - 1) * (count - 2))
