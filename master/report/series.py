"""What run.db holds, as lines and columns short enough to draw, however long the run was.

Each point stands for `step_s` whole seconds. Requests in it are counted together and percentiles come from their merged
histograms, so that nothing is an average of percentiles; lag, temperature, CPU and users are the largest value in it,
ready nodes the smallest: what a reader looks for survives the thinning. What is known of each node is in `fleet`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from master.store import CONTROLLER, SecondRow, Store
from worker.load.histogram import Histogram

MAX_POINTS = 1200
"""Points of a line: more than a screen has columns."""

Values = list[float | None]


@dataclass(frozen=True)
class Axis:
    """Equal spans of time from `start_s`: `length` of them, each of `step_s` seconds, the last one cut at `end_s`."""

    start_s: int
    end_s: int
    step_s: int

    @classmethod
    def of(cls, start_s: int, end_s: int, max_points: int, min_step_s: int = 1) -> Axis:
        """The finest axis over [start_s, end_s) with at most `most` spans, none shorter than `min_step_s`."""
        return cls(start_s, end_s, max(min_step_s, math.ceil((end_s - start_s) / max_points)))

    @property
    def length(self) -> int:
        """How many spans there are."""
        return math.ceil((self.end_s - self.start_s) / self.step_s)

    def index(self, second: int) -> int:
        """The span that holds `second`."""
        return (second - self.start_s) // self.step_s

    def seconds_in(self, index: int) -> int:
        """How many seconds a span covers: fewer than `step_s` only in the last one."""
        return min(self.step_s, self.end_s - self.start_s - index * self.step_s)

    def reduced(self, rows: Iterable[tuple[int, float]], reduce: Callable[[list[float]], float]) -> Values:
        """One value per span from rows of (second, value), None where a span has none."""
        found: list[list[float]] = [[] for _ in range(self.length)]
        for second, value in rows:
            if self.start_s <= second < self.end_s and math.isfinite(value):
                found[self.index(second)].append(value)
        return [reduce(values) if values else None for values in found]


@dataclass
class RequestLines:
    """Requests over time: finished and failed ones per second, and percentiles in ms of those measured while fit."""

    total_per_s: list[float]
    failed_per_s: list[float]
    percentiles_ms: dict[str, Values]


PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}


def request_lines(store: Store, axis: Axis) -> RequestLines:
    """Read all requests once, with the histogram of one span in memory."""
    lines = RequestLines([0.0] * axis.length, [0.0] * axis.length, {name: [None] * axis.length for name in PERCENTILES})
    for index, rows in groupby(store.requests(), lambda row: axis.index(row[0])):
        total = failed = 0
        fit_latency = Histogram()
        for _, _, tally, fit in rows:
            total += tally.total
            failed += tally.failed
            if fit:
                fit_latency.merge(tally.histogram)
        lines.total_per_s[index] = total / axis.seconds_in(index)
        lines.failed_per_s[index] = failed / axis.seconds_in(index)
        found = fit_latency.percentiles(PERCENTILES.values())
        for line, value_ms in zip(lines.percentiles_ms.values(), found, strict=True):
            line[index] = rounded(value_ms, 3)
    return lines


def steady_spans(seconds: list[SecondRow]) -> list[tuple[int, int]]:
    """The parts of the run that were held steady, as [start, end) in seconds. Seconds of which nothing is known are in none."""
    spans: list[tuple[int, int]] = []
    for row in seconds:
        if not row.steady:
            continue
        if spans and spans[-1][1] == row.second:
            spans[-1] = (spans[-1][0], row.second + 1)
        else:
            spans.append((row.second, row.second + 1))
    return spans


def controller_lines(store: Store, axis: Axis) -> dict[str, Values]:
    """CPU and memory of the controller in percent, by name of the line; empty when it was not sampled."""
    cpu: Values = [None] * axis.length
    memory: Values = [None] * axis.length
    columns = ("cpu_percent", "memory_percent")
    for index, _, *values in store.sample_peaks(columns, axis.start_s, axis.end_s, axis.step_s, node=CONTROLLER):
        cpu[index], memory[index] = (rounded(value, 1) for value in values)
    known = any(value is not None for value in cpu)
    return {"CPU": cpu, "memory": memory} if known else {}


def rounded(value: float | None, digits: int | None = None) -> float | None:
    """For JSON, which knows no infinity: None in its place."""
    return None if value is None or not math.isfinite(value) else round(value, digits)


def runs(values: Iterable[float | None]) -> list[Any]:
    """Shorter for the page: three or more equal values in a row become one pair of the value and how often it stands there."""
    found: list[Any] = []
    for value, group in groupby(values):
        often = sum(1 for _ in group)
        found += [value] * often if often < 3 else [[value, often]]
    return found
