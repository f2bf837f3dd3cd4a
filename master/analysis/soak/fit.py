"""A line through one series: its slope, and what its residuals say of the slope's error. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from master.analysis.soak import mann_kendall
from master.analysis.soak.adjustment import Adjusted, adjust
from master.analysis.soak.saw_tooth import floor_of
from master.analysis.soak.series import Floats, Series

MIN_BLOCKS = 16
MIN_KNOWN_SHARE = 2 / 3
"""Of the blocks that must have a value."""
LASTING_SHARE = 0.3
"""The slope of the second half must be at least so much of the whole: what has come to rest is no drift."""
WAVES, WAVES_OF_FEW, FEW_BLOCKS = 6, 4, 48
_CLIP_DEVIATIONS = 5.0
_MIN_REST = 1e-3
"""Of a wave's length that must be left beside what else is fitted; what is left of less is rounding."""


@dataclass(frozen=True)
class Fit:
    """A line through a series. The slope is per second; variances are per block."""

    subject: str
    values: Floats
    """What was looked at, block by block; NaN where there is none."""
    found: Adjusted
    slope: float
    lasting: bool
    """Whether it went on in the second half."""
    rank_p_value: float
    """Of a rise that is no more than chance, by Mann and Kendall."""
    lever: float
    """The sum of squares that the slope is seen by."""
    variance: float
    """Of the residuals."""
    correlation: float
    """Of residuals with those of the block before."""
    wave_variance: float
    """Of the residuals in a few slow waves."""
    waves: int

    @property
    def level(self) -> float:
        """Where the line begins."""
        times_s = self.found.times_s
        return float(np.median(self.found.values - self.slope * times_s) + self.slope * times_s[0])

    @property
    def exact(self) -> bool:
        """Whether there are no residuals at all, as of errors that never occur."""
        return self.variance == 0


def fit(series: Series, times_s: Floats, span_s: float) -> Fit | None:
    """The line through a series whose blocks have their middles at `times_s`; None where too few blocks have a value."""
    looked_at = floor_of(series.values) if series.saws else series.values
    known, heat_c = ~np.isnan(looked_at), series.heat_c
    if heat_c is not None:
        with_heat = known & ~np.isnan(heat_c)
        enough = with_heat.sum() >= MIN_KNOWN_SHARE * known.sum()
        heat_c, known = (heat_c, with_heat) if enough else (None, known)
    count = int(known.sum())
    if count < MIN_BLOCKS or count < MIN_KNOWN_SHARE * len(known):
        return None
    found = adjust(times_s[known], looked_at[known], None if heat_c is None else heat_c[known], span_s)
    slope = _slope(found.values, found.times_s)
    half = found.times_s >= 0
    lever = float(found.trend @ found.trend)
    inflation = float(found.times_s @ found.times_s) / lever if lever else math.inf
    basis = np.linalg.qr(np.column_stack([found.others, found.trend]))[0]
    residuals = _residuals(found, slope, basis)
    total, waves = float(residuals @ residuals), WAVES if count >= FEW_BLOCKS else WAVES_OF_FEW
    exact = total <= 1e-18 * max(1.0, float(found.values @ found.values)) or lever == 0
    return Fit(
        subject=series.subject,
        values=looked_at,
        found=found,
        slope=slope,
        lasting=_slope(found.values[half], found.times_s[half]) >= LASTING_SHARE * slope,
        rank_p_value=mann_kendall.rising(found.values, slope, found.times_s, inflation),
        lever=lever,
        variance=0.0 if exact else total / (count - basis.shape[1]),
        correlation=0.0 if exact else float(residuals[1:] @ residuals[:-1]) / total,
        wave_variance=0.0 if exact else float(((_slow_waves(basis, waves).T @ residuals) ** 2).mean()),
        waves=waves,
    )


def _slope(values: Floats, times_s: Floats) -> float:
    return float(stats.theilslopes(values, times_s)[0])


def _residuals(found: Adjusted, slope: float, basis: Floats) -> Floats:
    residuals = found.values - slope * found.times_s
    residuals = residuals - np.median(residuals)
    # An outage is in few blocks: it must not hide what goes on in all others.
    spread = 1.4826 * float(np.median(np.abs(residuals)))
    if spread > 0:
        residuals = np.clip(residuals, -_CLIP_DEVIATIONS * spread, _CLIP_DEVIATIONS * spread)
    without: Floats = residuals - basis @ (basis.T @ residuals)
    return without


def _slow_waves(basis: Floats, waves: int) -> Floats:
    """The `waves` slowest cosines, a column each, made orthogonal to the columns of `basis` and to each other.

    One that is a sum of those columns, as of the times of day, is passed over.
    """
    count, fitted = basis.shape
    found = basis
    for wave in range(1, count):
        cosine = np.cos(np.pi * wave * (np.arange(count) + 0.5) / count)
        rest = cosine - found @ (found.T @ cosine)
        length = float(np.linalg.norm(rest))
        if length > _MIN_REST * math.sqrt(count / 2):
            found = np.column_stack([found, rest / length])
            if found.shape[1] == fitted + waves:
                break
    return found[:, fitted:]
