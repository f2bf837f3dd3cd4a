"""Requests and errors of run.db over time, and the latencies of each endpoint over the steady part: what figures are drawn from.

Where run.db counts a span of seconds together, its counts are spread evenly over the points that it covers, and its latencies are those
of each of them.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from master.report.series import Axis, Spans, Values, no_percentiles, put_percentiles
from master.store import ERROR_SPAN_S, RequestRow, StoreReader
from worker.load.histogram import LAST_BUCKET, EndpointStats, Histogram
from worker.load.in_flight import Endpoint

MAX_ERROR_POINTS = 300
"""Points of a line of errors: each is a step that is seen."""


@dataclass
class RequestLines:
    """Requests over time: finished and failed ones per second, and percentiles in ms of those measured while fit."""

    total_per_s: list[float]
    failed_per_s: list[float]
    percentiles_ms: dict[str, Values]
    """Of latencies."""
    service_ms: dict[str, Values]
    """Of service times."""
    steady_latencies: dict[Endpoint, Histogram] = field(default_factory=dict)
    """Of the steady part's requests that were measured while fit, by endpoint: as the percentiles in result.json are."""


class _Sum:
    """A histogram to which many are added: a list of all buckets takes half the time of a dictionary."""

    def __init__(self) -> None:
        self._counts = [0] * (LAST_BUCKET + 1)
        self._max_ms = 0.0

    def add(self, histogram: Histogram) -> None:
        counts = self._counts
        for bucket, count in histogram.buckets.items():
            counts[bucket] += count
        self._max_ms = max(self._max_ms, histogram.max_ms)

    def histogram(self) -> Histogram:
        return Histogram({bucket: count for bucket, count in enumerate(self._counts) if count}, self._max_ms)


class _Point:
    """What is known of one span of the axis."""

    def __init__(self) -> None:
        self.total = self.failed = 0.0
        self.latencies = _Sum()
        self.service: _Sum | None = None
        """Service times, once they differ from the latencies."""

    def add_latencies(self, tally: EndpointStats) -> None:
        if tally.service is not None and self.service is None:
            self.service = _Sum()
            self.service.add(self.latencies.histogram())
        if self.service is not None:
            self.service.add(tally.service_times)
        self.latencies.add(tally.histogram)


def request_lines(store: StoreReader, axis: Axis, steady: Spans = ()) -> RequestLines:
    """Read all requests once, with the histograms of a span or two and of the `steady` part of each endpoint in memory."""
    lines = RequestLines([0.0] * axis.length, [0.0] * axis.length, no_percentiles(axis), no_percentiles(axis))
    is_steady = _within(steady)
    by_endpoint: defaultdict[Endpoint, _Sum] = defaultdict(_Sum)
    open_points: defaultdict[int, _Point] = defaultdict(_Point)
    for row in store.requests():
        first = axis.index(row.second)
        for index in [index for index in open_points if index < first]:
            _close(lines, axis, index, open_points.pop(index))
        for index, share in _shares(axis, row):
            point = open_points[index]
            point.total += share * row.tally.total
            point.failed += share * row.tally.failed
            if row.fit:
                point.add_latencies(row.tally)
        if row.fit and is_steady(row.second):
            by_endpoint[row.endpoint].add(row.tally.histogram)
    for index, point in open_points.items():
        _close(lines, axis, index, point)
    lines.steady_latencies = {endpoint: latencies.histogram() for endpoint, latencies in by_endpoint.items()}
    return lines


def _shares(axis: Axis, row: RequestRow) -> Iterator[tuple[int, float]]:
    """The points that a row is of, and how much of it each has."""
    end_s = row.second + row.span_s
    first, last = max(axis.index(row.second), 0), min(axis.index(end_s - 1), axis.length - 1)
    if first >= axis.length or last < 0:
        return
    if last <= first:
        yield first, 1.0
        return
    for index in range(first, last + 1):
        from_s = axis.start_s + index * axis.step_s
        covered_s = min(end_s, from_s + axis.step_s) - max(row.second, from_s)
        yield index, covered_s / row.span_s


def _close(lines: RequestLines, axis: Axis, index: int, point: _Point) -> None:
    lines.total_per_s[index] = point.total / axis.seconds_in(index)
    lines.failed_per_s[index] = point.failed / axis.seconds_in(index)
    latencies = point.latencies.histogram()
    put_percentiles(lines.percentiles_ms, index, latencies)
    put_percentiles(lines.service_ms, index, latencies if point.service is None else point.service.histogram())


def _within(spans: Spans) -> Callable[[int], bool]:
    """Whether a second is in any of `spans`; seconds are asked for in order of time."""
    left = deque(spans)

    def ask(second: int) -> bool:
        while left and left[0][1] <= second:
            left.popleft()
        return bool(left) and left[0][0] <= second

    return ask


@dataclass
class ErrorLines:
    """Errors of each kind over time, per second, on an axis as fine as they are counted."""

    axis: Axis
    per_s: dict[str, list[float]]
    """By the error's text, the most frequent first; none of them is all zero."""
    totals: dict[str, int]
    """By the error's text, in the same order: how often it was reported in all."""


def error_lines(store: StoreReader, axis: Axis) -> ErrorLines:
    """Read all errors over time."""
    start_s = axis.start_s - axis.start_s % ERROR_SPAN_S
    step_s = Axis.of(start_s, axis.end_s, MAX_ERROR_POINTS, ERROR_SPAN_S).step_s
    own = Axis(start_s, axis.end_s, ERROR_SPAN_S * math.ceil(step_s / ERROR_SPAN_S))
    counts: dict[str, list[int]] = {}
    for row in store.errors_over_time():
        if own.start_s <= row.start_s < own.end_s:
            counts.setdefault(row.error, [0] * own.length)[own.index(row.start_s)] += row.occurrences
    ordered = dict(sorted(counts.items(), key=lambda kind: -sum(kind[1])))
    per_s = {
        error: [number / own.seconds_in(index) for index, number in enumerate(numbers)]
        for error, numbers in ordered.items()
    }
    return ErrorLines(own, per_s, {error: sum(numbers) for error, numbers in ordered.items()})
