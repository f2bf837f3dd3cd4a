"""Drawing a run's time anew: the circular block bootstrap, and how long a block must be.

Requests of one second depend on each other, and on those of the seconds before: a queue that is long stays long for a while. What
resamples single requests, or single seconds, takes such a run for much better known than it is. Blocks of time on end are drawn in
their place (Künsch 1989; circular: Politis and Romano 1992), so that what depends on each other stays together.

The length of a block is that of Politis and White, "Automatic block-length selection for the dependent bootstrap", Econometric
Reviews 23 (2004), with the correction of Patton, Politis and White, Econometric Reviews 28 (2009), of the series that needs the
longest; then never shorter than a 30th of the run, since slow changes hardly show in the autocorrelation of a short series, and
never longer than a tenth, since of fewer blocks nothing can be drawn. What a few blocks leave unsure is made up for by Student's
distribution with that many degrees of freedom (see `decide`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_BLOCKS = 10
MAX_BLOCKS = 30
MIN_CELLS = 20
"""Cells that a run must have at least, so that there are ten blocks of two where its seconds are independent."""
_DECAY_LAGS = 4
"""Lags by which the decay of the autocovariance is told."""
_BOUND = 1.96
"""Standard errors beyond which an autocorrelation counts."""


def block_length(series: Iterable[NDArray[np.float64]], cells: int) -> int:
    """The length of blocks, in cells, for a run of so many `cells`, by its `series` of one value a cell."""
    wanted = max((automatic_length(values) for values in series), default=1.0)
    shortest, longest = -(-cells // MAX_BLOCKS), cells // MIN_BLOCKS
    return int(max(1, min(max(shortest, round(wanted)), longest)))


def automatic_length(values: NDArray[np.float64]) -> float:
    """The length of Politis and White for the circular bootstrap of the mean of `values`; 1 where they don't change."""
    import numpy as np  # noqa: PLC0415

    count = len(values)
    centred = values - values.mean()
    variance = float(centred @ centred) / count
    if count < 4 or variance <= 1e-12 * max(1.0, float(values.mean()) ** 2):
        return 1.0
    # Lags from which on no more autocorrelation is to be seen, by so many insignificant ones after another.
    quiet = max(5, int(np.ceil(np.sqrt(np.log10(count)))))
    largest = min(int(np.ceil(np.sqrt(count))) + quiet, count - 1)
    covariances = np.array([float(centred[: count - lag] @ centred[lag:]) / count for lag in range(largest + 1)])
    bound = _BOUND * np.sqrt(np.log10(count) / count)
    loud = np.abs(covariances[1:] / variance) > bound
    last = largest
    for lag in range(len(loud) - quiet + 1):
        if not loud[lag : lag + quiet].any():
            last = lag
            break
    width = min(2 * max(last, 1), largest)
    lags = np.arange(1, width + 1)
    window = np.minimum(1.0, 2 * (1 - lags / width)) if width > 1 else np.ones(1)  # the flat-top window
    kept = window * covariances[1 : width + 1]
    spectrum = covariances[0] + 2 * float(kept.sum())
    slope = 2 * float((lags * kept).sum())
    if spectrum <= 0:
        return 1.0
    spread = 4 / 3 * spectrum**2
    return max(1.0, float((2 * slope**2 / spread) ** (1 / 3) * count ** (1 / 3)))


def shortfall(values: NDArray[np.float64], weights: NDArray[np.float32]) -> float:
    """By what factor resamples show too small an error of the mean of `values`, for how long these depend on each other; 1 or more.

    Blocks can't show what takes longer than they do. Where the values go on like an autoregressive process of order one with some
    noise, its error is known: from the decay of the autocovariance, with the bias of a short series taken off (Kendall, Biometrika 41,
    1954), and with what the series' own mean takes off its variance added again.
    """
    import numpy as np  # noqa: PLC0415

    count = len(values)
    centred = values - values.mean()
    last = min(_DECAY_LAGS, count // 8)
    lags = np.array([float(centred[: count - lag] @ centred[lag:]) / count for lag in range(last + 2)])
    if lags[0] <= 0 or lags[1] <= _BOUND * lags[0] / np.sqrt(count):
        return 1.0
    decay = float(lags[1:-1] @ lags[2:]) / float(lags[1:-1] @ lags[1:-1])
    decay = min(max(0.0, decay + (1 + 3 * decay) / count), 1 - 1 / count)
    apart = np.arange(1, count)
    dependent = 2 * float(((1 - apart / count) * decay ** (apart - 1)).sum()) * float(lags[1] / lags[0])
    share = min((1 + dependent) / count, 0.9)  # of the variance of a value that is also that of the mean
    error = lags[0] * share / (1 - share)
    shown = float(np.var((weights @ values) / weights.sum(axis=1)))
    return max(1.0, float(np.sqrt(error / shown))) if shown > 0 else 1.0


def draw_weights(
    segments: Iterable[int], length: int, resamples: int, dice: np.random.Generator
) -> NDArray[np.float32]:
    """How often each cell is drawn, by resample and cell: blocks of `length` cells, from each of the `segments` as many as it has.

    Segments, which are numbers of cells, keep their share, so that stages of different load are not taken for chance. What is shorter
    than four blocks shares one pool with its like.
    """
    import numpy as np  # noqa: PLC0415

    sizes = list(segments)
    own = [size >= 4 * length for size in sizes]
    groups: list[NDArray[np.int64]] = []
    rest: list[NDArray[np.int64]] = []
    start = 0
    for size, alone in zip(sizes, own, strict=True):
        (groups if alone else rest).append(np.arange(start, start + size))
        start += size
    if rest:
        groups.append(np.concatenate(rest))
    weights = np.zeros((resamples, start), dtype=np.float32)
    for cells in groups:
        weights[:, cells] = _draw(len(cells), length, resamples, dice)
    return weights


def _draw(size: int, length: int, resamples: int, dice: np.random.Generator) -> NDArray[np.float32]:
    import numpy as np  # noqa: PLC0415

    length = min(length, size)
    blocks = -(-size // length)
    starts = dice.integers(0, size, (resamples, blocks))
    # A block adds 1 where it starts and takes it off where it ends; the last is cut, so that as many cells are drawn as there are.
    lengths = np.full(blocks, length)
    lengths[-1] = size - length * (blocks - 1)
    steps = np.zeros((resamples, 2 * size + 1), dtype=np.float32)
    rows = np.arange(resamples)[:, None]
    np.add.at(steps, (rows, starts), 1)
    np.add.at(steps, (rows, starts + lengths), -1)
    covered = np.cumsum(steps, axis=1)
    weights: NDArray[np.float32] = covered[:, :size] + covered[:, size : 2 * size]
    return weights
