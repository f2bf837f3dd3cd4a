"""From the figures of two runs to what became of each: intervals that hold for all of them together, and floors.

With twenty endpoints of six figures each, one in twenty of which may be wrong, every other comparison would raise an alarm. So the
critical value is one for all figures together: that below which the largest of their standardized differences stays in 95 % of the
resamples, in each of which all figures are drawn together, with what they have in common (max-T of Westfall and Young,
"Resampling-based multiple testing", 1993). It is made of each figure's ranks, so that one with a long tail widens its own interval and
not those of the others (Beran, "Balanced simultaneous confidence sets", JASA 83, 1988), and is never beyond Bonferroni's. The error
of a figure, which a few blocks tell but roughly, is made up for by Student's distribution with the degrees of freedom of Welch and
Satterthwaite.

A figure is better or worse when its interval is all beyond a tenth of the floor, and its change is beyond the floor. An interval says
how far a run's own noise reaches; but two runs of the same differ a little besides, so that long runs, whose intervals are narrow, would
be told apart whenever that is beyond the floor by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from master.judge.result import Change, Floors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE = 0.95
BETWEEN_RUNS = 0.1
"""Of the floor: by so much two runs of the same may truly differ, and nothing is better or worse for it."""
_TAIL = 0.99
"""Where the tails of figures are compared with a normal one: resamples tell enough there."""


@dataclass
class Pair:
    """One figure in both runs, in the terms in which it is compared, with its replicates."""

    baseline: float
    run: float
    baseline_replicates: NDArray[np.float64]
    run_replicates: NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """The change of a figure, in the terms in which it is compared, and where it lies with all others."""

    change: float
    low: float
    high: float


def intervals(pairs: list[Pair], baseline_blocks: float, run_blocks: float) -> list[Interval]:
    """An interval for each of `pairs`, which hold together with CONFIDENCE. A run has been drawn in so many blocks."""
    import numpy as np  # noqa: PLC0415
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415  # a tenth of the time that scipy.stats takes

    if not pairs:
        return []
    changes = np.array([pair.run - pair.baseline for pair in pairs])
    errors = np.array(
        [[_error(pair.baseline_replicates, baseline_blocks), _error(pair.run_replicates, run_blocks)] for pair in pairs]
    )
    both = np.sqrt((errors**2).sum(axis=1))
    critical = np.zeros(len(pairs))
    known = np.flatnonzero(
        both > 0
    )  # where nothing varies, such as a share of no errors, there is nothing to be wrong about
    if len(known):
        drawn = np.array([pairs[index].run_replicates - pairs[index].baseline_replicates for index in known])
        sizes = np.abs(np.nan_to_num(drawn - changes[known, None])) / both[known, None]
        together, tails = _critical(sizes)
        chance = ndtr(together)
        critical[known] = stdtrit(_degrees(errors[known], baseline_blocks, run_blocks), chance) * tails
    reach = critical * both
    return [Interval(float(c), float(c - r), float(c + r)) for c, r in zip(changes, reach, strict=True)]


def _critical(sizes: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The critical value of all figures together, as of a normal distribution, and by how much the tail of each is longer."""
    import numpy as np  # noqa: PLC0415
    from scipy.special import ndtri  # noqa: PLC0415

    figures, resamples = sizes.shape
    largest = np.zeros(resamples)
    for row in sizes:
        ranks = np.empty(resamples)
        ranks[np.argsort(row)] = np.arange(resamples)
        largest = np.maximum(largest, (ranks + 0.5) / resamples)
    chance = min(float(np.quantile(largest, CONFIDENCE)), 1 - (1 - CONFIDENCE) / figures)
    tails = np.quantile(sizes, _TAIL, axis=1) / ndtri((1 + _TAIL) / 2)
    return float(ndtri((1 + chance) / 2)), np.maximum(tails, 1.0)


def _error(replicates: NDArray[np.float64], blocks: float) -> float:
    """The standard error by replicates that were drawn of so many blocks, of which one is lost for their mean."""
    import numpy as np  # noqa: PLC0415

    return float(np.nanstd(replicates) * np.sqrt(blocks / (blocks - 1)))


def _degrees(errors: NDArray[np.float64], baseline_blocks: float, run_blocks: float) -> NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415

    squares = errors**2
    shares = squares / np.maximum(squares.sum(axis=1, keepdims=True), 1e-300)
    wasted = shares[:, 0] ** 2 / (baseline_blocks - 1) + shares[:, 1] ** 2 / (run_blocks - 1)
    return np.where(wasted > 0, 1 / np.maximum(wasted, 1e-12), 1e12)


def outcome(metric: str, interval: Interval, difference_ms: float | None, floors: Floors) -> Change:
    """What became of a figure whose change and bounds are shares in `interval`; `difference_ms` is that of a latency."""
    floor = floors.error_share if metric == "errors" else floors.share
    small = abs(interval.change) <= floor or (difference_ms is not None and abs(difference_ms) <= floors.latency_ms)
    allowed = BETWEEN_RUNS * floor
    if small or (interval.low <= allowed and interval.high >= -allowed):
        return "same"
    worse = interval.change < 0 if metric == "rate" else interval.change > 0
    return "worse" if worse else "better"
