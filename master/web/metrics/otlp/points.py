"""Families of Prometheus as metrics of OpenTelemetry. Pure.

After the specification's "Prometheus and OpenMetrics Compatibility", the other way round: counters become cumulative monotonic sums,
histograms explicit-bucket ones. The unit stays in the name, as users of Prometheus know it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)
from prometheus_client import Metric as Family

_CUMULATIVE = AggregationTemporality.CUMULATIVE


def metrics_of(families: Iterable[Family], start_ns: int, now_ns: int) -> Iterator[Metric]:
    """The metrics of a page that was read at `now_ns`, whose counts began at `start_ns` (Unix time). Families without samples are left out."""
    for family in families:
        if not family.samples:
            continue
        if family.type == "histogram":
            data: Sum | Gauge | Histogram = Histogram(list(_histograms(family, start_ns, now_ns)), _CUMULATIVE)
        else:
            points = [
                NumberDataPoint(sample.labels, start_ns if family.type == "counter" else 0, now_ns, sample.value)
                for sample in family.samples
            ]
            data = Sum(points, _CUMULATIVE, is_monotonic=True) if family.type == "counter" else Gauge(points)
        yield Metric(family.name, family.documentation, "", data)


def _histograms(family: Family, start_ns: int, now_ns: int) -> Iterator[HistogramDataPoint]:
    """One point for each set of labels; Prometheus counts up to each bound, OpenTelemetry between two of them."""
    found: dict[tuple[tuple[str, str], ...], tuple[list[tuple[float, float]], dict[str, float]]] = {}
    for sample in family.samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        buckets, others = found.setdefault(labels, ([], {}))
        if sample.name.endswith("_bucket"):
            buckets.append((float(sample.labels["le"]), sample.value))
        else:
            others[sample.name.removeprefix(family.name)] = sample.value
    for labels, (buckets, others) in found.items():
        buckets.sort()
        counts = [0.0, *(count for _, count in buckets)]
        yield HistogramDataPoint(
            dict(labels),
            start_ns,
            now_ns,
            int(others["_count"]),
            others["_sum"],
            [int(after - before) for before, after in pairwise(counts)],
            [bound for bound, _ in buckets if math.isfinite(bound)],
            math.nan,
            math.nan,
        )
