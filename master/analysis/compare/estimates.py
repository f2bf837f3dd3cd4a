"""The figures of one run, as they are and as they come out of resamples of its time.

Rates and latencies are compared by their ratio, so that their logarithm is kept, of which the difference has an error that does not
depend on how large they are; shares of errors, which may be 0, as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.load.histogram import GAMMA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from master.analysis.compare.cells import EndpointCells

PERCENTS = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0}
METRICS = ("rate", "errors", *PERCENTS)
MIN_REQUESTS = 20
"""Requests from which on a rate, or a share of errors, can be compared."""
MIN_BEYOND = 10
"""Latencies that must lie beyond a percentile, so that it does not hang on a few of them."""
DISTRIBUTION_PERCENTS = (
    1,
    2.5,
    5,
    10,
    20,
    30,
    40,
    50,
    60,
    70,
    75,
    80,
    85,
    90,
    92.5,
    95,
    97.5,
    99,
    99.5,
    99.9,
    99.95,
    99.99,
)


@dataclass
class Estimates:
    """One endpoint of one run: what each metric comes to, in the terms in which it is compared."""

    requests: int
    latencies: int
    values: dict[str, float]
    """Of METRICS, those of which enough is known."""
    replicates: dict[str, NDArray[np.float64]]
    """The same by resample."""
    distribution_ms: list[float | None]
    """The latencies of DISTRIBUTION_PERCENTS; None for those that fewer than one request lies beyond."""


def estimate(cells: EndpointCells, lengths_s: NDArray[np.float64], weights: NDArray[np.float32]) -> Estimates:
    """The figures of an endpoint by its `cells`, and by resamples that take each cell as often as `weights` say."""
    import numpy as np  # noqa: PLC0415

    values: dict[str, float] = {}
    replicates: dict[str, NDArray[np.float64]] = {}
    requests, failed, latencies = float(cells.total.sum()), float(cells.failed.sum()), float(cells.counts.sum())
    if requests >= MIN_REQUESTS:
        totals = weights @ cells.total
        values["rate"] = float(np.log(requests / lengths_s.sum()))
        replicates["rate"] = np.log(np.maximum(totals, 0.5) / (weights @ lengths_s))
        values["errors"] = failed / requests
        replicates["errors"] = (weights @ cells.failed) / np.maximum(totals, 1.0)
    known = [(metric, percent) for metric, percent in PERCENTS.items() if enough(latencies, percent)]
    if known:
        merged = weights @ cells.counts
        percents = [percent for _, percent in known]
        found = log_percentiles(cells.buckets, merged, percents)
        exact = log_percentiles(cells.buckets, cells.counts.sum(axis=0, dtype=np.float64)[None, :], percents)
        for index, (metric, _) in enumerate(known):
            values[metric], replicates[metric] = float(exact[0, index]), found[:, index]
    return Estimates(int(requests), int(latencies), values, replicates, _distribution(cells, latencies))


def enough(latencies: float, percent: float) -> bool:
    """Whether so many latencies are enough for a percentile."""
    return latencies * min(percent, 100 - percent) / 100 >= MIN_BEYOND - 1e-9


def log_percentiles(
    buckets: NDArray[np.int64], counts: NDArray[np.floating], percents: list[float]
) -> NDArray[np.float64]:
    """The logarithm of percentiles in ms, by row of `counts` and percent; not a number in a row without any.

    Within a bucket latencies are taken to be spread evenly over its logarithm, so that a percentile moves evenly where a histogram's
    own, which is a bucket's, jumps by 2 %.
    """
    import numpy as np  # noqa: PLC0415

    below = np.cumsum(counts, axis=1, dtype=np.float64)
    totals = below[:, -1]
    rows = np.arange(len(below))
    found = np.empty((len(below), len(percents)))
    log_gamma = np.log(GAMMA)
    for index, percent in enumerate(percents):
        wanted = totals * percent / 100
        place = np.minimum((below < wanted[:, None] * (1 - 1e-12)).sum(axis=1), len(buckets) - 1)
        inside = counts[rows, place].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            part = (wanted - (below[rows, place] - inside)) / inside
        found[:, index] = (buckets[place] - 1 + np.clip(part, 0.0, 1.0)) * log_gamma - np.log(1000.0)
    found[totals <= 0] = np.nan
    return found


def series(cells: EndpointCells) -> list[NDArray[np.float64]]:
    """What shows how seconds depend on each other, a value a cell: requests, their mean latency, and how many were slow."""
    import numpy as np  # noqa: PLC0415

    found = [cells.total]
    number = cells.counts.sum(axis=1, dtype=np.float64)
    if len(cells.buckets) and number.sum() > 0:
        everywhere = cells.counts.sum(axis=0, dtype=np.float64)
        mean = float(everywhere @ cells.buckets) / number.sum()
        slow = np.cumsum(everywhere) >= 0.9 * number.sum()
        divisor = np.maximum(number, 1.0)
        # A cell without latencies says nothing: it stands for the mean.
        found.append(np.where(number > 0, (cells.counts @ cells.buckets) / divisor, mean))
        share = float(everywhere[slow].sum() / number.sum())
        found.append(np.where(number > 0, cells.counts[:, slow].sum(axis=1) / divisor, share))
    return [np.asarray(each, dtype=np.float64) for each in found]


def _distribution(cells: EndpointCells, latencies: float) -> list[float | None]:
    import numpy as np  # noqa: PLC0415

    if latencies < 1:
        return []
    exact = log_percentiles(
        cells.buckets, cells.counts.sum(axis=0, dtype=np.float64)[None, :], list(DISTRIBUTION_PERCENTS)
    )
    return [
        float(f"{np.exp(value):.4g}") if latencies * min(percent, 100 - percent) / 100 >= 1 else None
        for value, percent in zip(exact[0], DISTRIBUTION_PERCENTS, strict=True)
    ]
