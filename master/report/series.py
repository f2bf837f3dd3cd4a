"""What run.db holds, as lines and columns short enough to draw, however long the run was.

Each point stands for `step_s` whole seconds. Requests in it are counted together and percentiles come from their merged
histograms, so that nothing is an average of percentiles; lag, temperature, CPU, memory and users are the largest value in it,
ready nodes the smallest: what a reader looks for survives the thinning. What is known of each node is in `fleet`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from master.store import CONTROLLER, SecondRow, StoreReader
from worker.load.histogram import ArrivalTally, Histogram

MAX_POINTS = 1200
"""Points of a line: more than a screen has columns."""

NICE_STEPS_S = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
"""Lengths of a span that fit into a minute, which is how long what is kept of a long run is counted together; above, whole minutes."""

MIB = 1 << 20

Values = list[float | None]
Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Axis:
    """Equal spans of time from `start_s`: `length` of them, each of `step_s` seconds, the last one cut at `end_s`."""

    start_s: int
    end_s: int
    step_s: int

    @classmethod
    def of(cls, start_s: int, end_s: int, max_points: int, min_step_s: int = 1) -> Axis:
        """The finest axis over [start_s, end_s) with at most `max_points` spans, none shorter than `min_step_s`: parts of a minute, or whole ones."""
        least_s = max(min_step_s, math.ceil((end_s - start_s) / max_points))
        minutes_s = 60 * math.ceil(least_s / 60)
        return cls(start_s, end_s, next((step_s for step_s in NICE_STEPS_S if step_s >= least_s), minutes_s))

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


PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}


def no_percentiles(axis: Axis) -> dict[str, Values]:
    """A line for each of PERCENTILES, of which nothing is known."""
    return {name: [None] * axis.length for name in PERCENTILES}


def put_percentiles(lines: dict[str, Values], index: int, histogram: Histogram) -> None:
    """Put the percentiles of a span into its place."""
    found = histogram.percentiles(PERCENTILES.values())
    for line, value_ms in zip(lines.values(), found, strict=True):
        line[index] = rounded(value_ms, 3)


@dataclass
class ArrivalLines:
    """Arrivals of the open model over time, per second, and how much later than due those started that were, in ms."""

    offered_per_s: Values
    started_per_s: list[float]
    missed_per_s: list[float]
    """Found no user free, or were given up; what was lost nobody has reported."""
    late_per_s: list[float]
    lateness_ms: dict[str, Values]


def arrival_lines(store: StoreReader, axis: Axis, seconds: Iterable[SecondRow]) -> ArrivalLines:
    """Read all arrivals once, with those of one span in memory."""
    known = ((row.second, float(row.offered)) for row in seconds if row.offered is not None)
    lines = ArrivalLines(
        axis.reduced(known, lambda each: sum(each) / len(each)),
        [0.0] * axis.length,
        [0.0] * axis.length,
        [0.0] * axis.length,
        no_percentiles(axis),
    )
    inside = (row for row in store.arrivals() if axis.start_s <= row[0] < axis.end_s)
    for index, rows in groupby(inside, lambda row: axis.index(row[0])):
        whole = ArrivalTally()
        for _, _, tally, _ in rows:
            whole.merge(tally)
        span_s = axis.seconds_in(index)
        lines.started_per_s[index] = whole.started / span_s
        lines.missed_per_s[index] = (whole.missed + whole.given_up) / span_s
        lines.late_per_s[index] = whole.late / span_s
        put_percentiles(lines.lateness_ms, index, whole.lateness)
    return lines


def target_lines(store: StoreReader, axis: Axis) -> dict[str, Values]:
    """CPU of the target's process in percent of one core, and its memory in MiB, by name of the line; empty when it ran elsewhere."""
    rows = store.target()
    cpu = axis.reduced(((row.second, row.cpu_percent) for row in rows if row.cpu_percent is not None), max)
    memory = axis.reduced(((row.second, row.memory_bytes / MIB) for row in rows if row.memory_bytes is not None), max)
    known = any(value is not None for value in (*cpu, *memory))
    return {"CPU": cpu, "memory": memory} if known else {}


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


def controller_lines(store: StoreReader, axis: Axis) -> dict[str, Values]:
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
