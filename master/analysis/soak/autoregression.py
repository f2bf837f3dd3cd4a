"""What autocorrelation does to a straight line through blocks, worked out exactly for values that follow an autoregression. Pure.

A line is fitted by least squares, whatever else is fitted beside it. For each autocorrelation from block to block (lag 1) there is a true error of the
slope, an expected variance of the residuals with its degrees of freedom (Satterthwaite 1946), and an expected autocorrelation of the
residuals, which is less than the true one, since a line takes a part of every slow movement. The last is what can be seen, so it is
looked up backwards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from master.analysis.soak.series import Floats

_GRID = np.concatenate([np.arange(0, 0.9, 0.05), np.arange(0.9, 0.99, 0.01), [0.99, 0.995]])


class Table(NamedTuple):
    """By true autocorrelation."""

    true: Floats
    seen: Floats
    """Expected autocorrelation of the residuals."""
    error: Floats
    """Standard error of the slope, times the root of the lever, for residuals of variance 1."""
    freedom: Floats
    """Degrees of freedom of the residuals' variance."""

    def at(self, correlation: float) -> tuple[float, float]:
        """Error and degrees of freedom for a true autocorrelation."""
        error = float(np.interp(correlation, self.true, self.error))
        return error, float(np.interp(correlation, self.true, self.freedom))

    def true_of(self, seen: float) -> float:
        """The true autocorrelation behind one that residuals show."""
        return float(np.interp(seen, self.seen, self.true))


def table_of(others: Floats, trend: Floats) -> Table:
    """The table for lines along `trend` in blocks one after the other, fitted together with the columns `others`, orthogonal to it."""
    count = len(trend)
    basis = np.linalg.qr(np.column_stack([others, trend]))[0]
    fitted = basis.shape[1]
    along = trend / np.linalg.norm(trend)
    lags = np.abs(np.arange(count)[:, None] - np.arange(count))
    seen, error, freedom = [], [], []
    for correlation in _GRID:
        # Of the residuals' covariance, (1 - B B') C (1 - B B'), no more than the sums that are asked for.
        covariance = correlation**lags if correlation else np.eye(count)
        of_basis = covariance @ basis
        within = basis.T @ of_basis
        total = count - float(np.trace(within))
        squares = float((covariance**2).sum()) - 2 * float((of_basis**2).sum()) + float((within**2).sum())
        neighbours = (count - 1) * correlation - float((basis[:-1] * of_basis[1:] + of_basis[:-1] * basis[1:]).sum())
        neighbours += float(((basis[:-1] @ within) * basis[1:]).sum())
        seen.append(neighbours / total)
        error.append(np.sqrt(float(along @ covariance @ along) / (total / (count - fitted))))
        freedom.append(total**2 / squares)
    return Table(
        _GRID, np.maximum.accumulate(np.array(seen)), np.maximum.accumulate(np.array(error)), np.array(freedom)
    )
