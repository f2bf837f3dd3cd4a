"""The metrics of a trend: where a result has them, on which scale they are looked at, and what of a change of them matters. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from master.analysis.trend.change_points import Matters
from master.judge.result import Floors, Latency, Result
from worker.load.histogram import GAMMA

_LATENCY_NOISE = math.log(GAMMA) / math.sqrt(12)
"""Of a latency's logarithm: a histogram's buckets are as wide as ln(GAMMA), and rounding to them has this standard deviation."""
_RATE_NOISE = 0.001
"""Of a rate's logarithm: a run's steady part begins and ends in the middle of some second."""

Key = tuple[str, str] | None
"""METHOD and name of an endpoint; None is all requests together."""


@dataclass(frozen=True)
class Metric:
    """One metric. `key` has its unit; `worse` is 1 where more of it is worse, and -1 where less is."""

    key: str
    title: str
    worse: int

    @property
    def relative(self) -> bool:
        """Whether changes of it are looked at as ratios."""
        return self is not ERRORS

    def scaled(self, value: float) -> float:
        """`value` on a scale on which its noise does not depend on its level: a logarithm, or the arcsine of a share's root."""
        return math.log(value) if self.relative else math.asin(math.sqrt(min(value, 1.0)))

    def unscaled(self, value: float) -> float:
        """The inverse of `scaled`."""
        return math.exp(value) if self.relative else math.sin(value) ** 2

    def min_noise(self, requests: Sequence[int]) -> float:
        """The least noise on that scale, of runs with so many requests each: of errors it is that of counting."""
        if self is RATE:
            return _RATE_NOISE
        return _LATENCY_NOISE if self.relative else 0.5 / math.sqrt(sorted(requests)[len(requests) // 2])

    def matters(self, floors: Floors) -> Matters:
        """Whether a change between two levels, on that scale, is large enough to be shown."""

        def large(before: float, after: float) -> bool:
            difference = abs(self.unscaled(after) - self.unscaled(before))
            if not self.relative:
                return difference >= floors.error_share
            enough = self is RATE or difference >= floors.latency_ms
            return enough and abs(after - before) >= math.log1p(floors.share)

        return large


RATE = Metric("rate_per_s", "rate", -1)
ERRORS = Metric("errors_share", "errors", 1)
LATENCIES = tuple(Metric(f"{name}_ms", name, 1) for name in ("p50", "p90", "p95", "p99"))
METRICS = (RATE, ERRORS, *LATENCIES)


@dataclass(frozen=True)
class Figures:
    """What one run measured of one endpoint, or of all requests; what is None has no meaning or was not measured."""

    requests: int
    values: dict[Metric, float | None]


def figures_of(result: Result) -> dict[Key, Figures]:
    """What a run measured, all requests together first."""
    everything = result.requests
    found: dict[Key, Figures] = {
        None: _figures(everything.total, everything.failed, everything.rate_per_s, result.latency_ms)
    }
    for row in result.endpoints:
        found[row.method, row.name] = _figures(row.total, row.failed, row.rate_per_s, row.latency_ms)
    return found


def _figures(total: int, failed: int, rate_per_s: float | None, latency: Latency) -> Figures:
    values: dict[Metric, float | None] = {RATE: rate_per_s or None, ERRORS: failed / total if total else None}
    return Figures(total, values | {metric: getattr(latency, metric.title) or None for metric in LATENCIES})
