"""Latencies since the run began in the few, fixed buckets that Prometheus counts by. Pure."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

from worker.load.histogram import LAST_BUCKET, Histogram, value_ms

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds; a last bucket holds what is longer. A percentile worked out of them is as coarse as they are: run.db has the exact ones."""

# A latency counts by the middle of its bucket in the histogram, which is within 1 % of it.
_PLACES = [bisect_left(BOUNDS_S, value_ms(bucket) / 1000) for bucket in range(LAST_BUCKET + 1)]
_VALUES_S = [value_ms(bucket) / 1000 for bucket in range(LAST_BUCKET + 1)]


class LatencyBuckets:
    """Counts of latencies by BOUNDS_S."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, latencies: Histogram) -> None:
        """Count all of a histogram."""
        counts = self.counts
        for bucket, count in latencies.buckets.items():
            counts[_PLACES[bucket]] += count
            self.sum_s += _VALUES_S[bucket] * count

    def cumulative(self) -> list[tuple[str, float]]:
        """Pairs of an upper bound in seconds, as Prometheus writes it, and how many were no longer."""
        bounds = [*(str(bound_s) for bound_s in BOUNDS_S), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))
