"""Spans of the requests and arrivals of one minute, and the windows of thresholds that end in it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from itertools import groupby

from master.judge.seconds.stored_seconds import stored_seconds
from master.judge.target.stored_windows import warm_up
from master.judge.target.thresholds import Judge
from master.scenario.rules import Endpoint, Threshold
from master.store import StoreReader
from master.store.measured_writer import arrival_values, tally_values
from master.store.thinned.parts import RequestPart, Row
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram

_DAMAGED = b"\xff"
"""No histogram: what stands in a span for one that could not be read, so that it is told as that second would have been."""
_HISTOGRAM = 3
"""Where it is in a tally's values."""


class RequestThinner:
    """Thins minute after minute of a run's requests."""

    def __init__(self, thresholds: Iterable[Threshold]) -> None:
        """`thresholds` are those of the run."""
        self._windowed = [rule for rule in thresholds if rule.window_s is not None]
        self._judge: Judge | None = None
        self._judged_before = 0

    def thin(self, reader: StoreReader, second: int, end_s: int, steady: Container[int]) -> RequestPart:
        """What [second, end_s) comes to; it is the first minute that is not thinned."""
        judge = self._judge
        if judge is None or self._judged_before != second:
            judge = self._judge = Judge(self._windowed)
            if reader.thinned().requests_before:
                warm_up(reader, judge, steady, second)
        self._judge = None  # until it has come through this minute
        numbers, spans = reader.endpoint_numbers(), _spans(reader, second, end_s, steady)
        starts = {each: (first_s, last_s - first_s) for first_s, last_s in spans for each in range(first_s, last_s)}
        if self._windowed:
            for at, facts in stored_seconds(reader, _within(steady, second, end_s), second, end_s):
                judged = facts.judged(at, steady)
                if judged is not None:
                    judge.add(judged)
        tallies: dict[tuple[int, Endpoint, bool], EndpointStats] = {}
        damaged = set[tuple[int, Endpoint]]()
        for row in reader.requests_by_second(second, end_s):
            first_s = starts[row.second][0]
            tallies.setdefault((first_s, row.endpoint, row.fit), EndpointStats()).merge(row.tally)
            if (row.second, row.endpoint) in reader.damaged:
                damaged.add((first_s, row.endpoint))
        arrivals: dict[tuple[int, str, bool], ArrivalTally] = {}
        for at, user_class, made, fit in reader.arrivals_by_second(second, end_s):
            arrivals.setdefault((starts[at][0], user_class, fit), ArrivalTally()).merge(made)
        part = RequestPart(
            second,
            end_s,
            [
                (
                    first_s,
                    numbers[endpoint],
                    fit,
                    starts[first_s][1],
                    *_values(tally, damaged=(first_s, endpoint) in damaged),
                )
                for (first_s, endpoint, fit), tally in tallies.items()
            ],
            [(*key, starts[key[0]][1], *arrival_values(made)) for key, made in arrivals.items()],
            _waiting(reader, second, end_s, starts, numbers),
            judge.states(),
            judge.longest_window_s,
        )
        self._judge, self._judged_before = judge, end_s
        return part


def _values(tally: EndpointStats, *, damaged: bool) -> list[object]:
    values: list[object] = tally_values(tally)
    if damaged:
        values[_HISTOGRAM] = _DAMAGED
    return values


def _spans(reader: StoreReader, second: int, end_s: int, steady: Container[int]) -> Iterator[tuple[int, int]]:
    """[second, end_s) in spans, all seconds of each alike in what decides how they are judged."""
    states = {row.second: row for row in reader.seconds(second, end_s)}
    known = {row.second for row in reader.workers_by_second(second, end_s) if row.users is not None}

    def kind(each: int) -> tuple[object, ...]:
        state = states.get(each)
        # What waits at the end of the last second of a hold is not judged, see master.judge.seconds.second_facts.
        return (
            None if state is None else state.stage,
            state is not None and state.offered is not None,
            each in steady,
            each + 1 in steady,
            each in known,
        )

    for _, seconds in groupby(range(second, end_s), kind):
        first_s, *_ = of = [*seconds]
        yield first_s, of[-1] + 1


def _waiting(
    reader: StoreReader, second: int, end_s: int, starts: dict[int, tuple[int, int]], numbers: dict[Endpoint, int]
) -> list[Row]:
    """Of each span and endpoint the second whose oldest request had been waiting longest."""
    oldest: dict[tuple[int, Endpoint], tuple[int, int, Histogram]] = {}
    for at, endpoint, count, ages in reader.waiting(second, end_s):
        key = (starts[at][0], endpoint)
        if key not in oldest or ages.max_ms > oldest[key][2].max_ms:
            oldest[key] = (at, count, ages)
    return [(at, numbers[endpoint], count, ages.encode()) for (_, endpoint), (at, count, ages) in oldest.items()]


def _within(steady: Container[int], start_s: int, end_s: int) -> list[int]:
    return [second for second in range(start_s, end_s) if second in steady]
