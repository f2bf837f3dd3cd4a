"""The target's own count of what it answered, for Prometheus and for checking a load generator against it.

Plain dictionaries do the counting, since only the loop's thread touches them and a counter of prometheus-client costs ten
times as much per request; they become Prometheus metrics when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

# Seconds. From the cost of the cheapest request to the longest that the gates speak of.
BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestCount:
    """Answered requests by method, route template and status, and how long each route took.

    A request is counted once, before the first byte of its answer leaves: who has an answer finds it counted. The answer
    of `/metrics` therefore holds everything answered before it, and itself only the next time.
    """

    def __init__(self) -> None:
        self.totals: dict[tuple[str, str, int], int] = {}
        self._durations: dict[str, list[int]] = {}
        self._duration_sums_s: dict[str, float] = {}

    def add(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one request. Methods nobody has heard of share the label `other`, since a client makes them up."""
        key = (method if method in METHODS else "other", route, status)
        self.totals[key] = self.totals.get(key, 0) + 1
        buckets = self._durations.get(route)
        if buckets is None:
            buckets = self._durations[route] = [0] * (len(BUCKETS_S) + 1)
            self._duration_sums_s[route] = 0.0
        buckets[bisect_left(BUCKETS_S, duration_s)] += 1
        self._duration_sums_s[route] += duration_s

    def families(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """The counts as Prometheus metrics."""
        requests = CounterMetricFamily(
            "target_requests",
            "Requests answered; status 499: the client hung up first",
            labels=["method", "route", "status"],
        )
        for (method, route, status), count in self.totals.items():
            requests.add_metric([method, route, str(status)], count)
        yield requests
        durations = HistogramMetricFamily(
            "target_request_duration_seconds", "Time from the request's head to its answer", labels=["route"]
        )
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        for route, buckets in self._durations.items():
            cumulative = list(zip(bounds, accumulate(buckets), strict=True))
            durations.add_metric([route], cumulative, self._duration_sums_s[route])
        yield durations


class Gauge(NamedTuple):
    """A figure of a domain as it is now, e.g. `Gauge("target_sessions", "Sessions kept, by state", 7, {"state": "created"})`."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = {}


class Counter(Gauge):
    """A figure that only rises, e.g. `Counter("target_cache_hits", "Reads that found an entry", 7)`: `target_cache_hits_total`."""


class Metrics(Collector):
    """Everything that GET /metrics shows, from a registry of its own."""

    def __init__(self, requests: RequestCount) -> None:
        self._requests = requests
        self._gauges: Sequence[Gauge] = ()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: it spares the registry a collection while the target is being put together."""
        return []

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily | GaugeMetricFamily]:
        """Called by the registry."""
        yield from self._requests.families()
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for gauge in self._gauges:
            family = families.get(gauge.name)
            if family is None:
                kind = CounterMetricFamily if isinstance(gauge, Counter) else GaugeMetricFamily
                family = families[gauge.name] = kind(gauge.name, gauge.help, labels=list(gauge.labels))
            family.add_metric(list(gauge.labels.values()), gauge.value)
        yield from families.values()

    def exposition(self, gauges: Sequence[Gauge]) -> bytes:
        """The Prometheus text format of the counts and of `gauges`; those of one name have labels of the same names."""
        self._gauges = gauges
        return generate_latest(self._registry)
