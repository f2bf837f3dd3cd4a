"""The CSV files that Locust's option --csv asks for, with its columns, from run.db."""

from __future__ import annotations

import csv
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TextIO

from locust.stats import PERCENTILES_TO_REPORT, get_readable_percentiles

from master.store.reader import StoreReader
from master.store.rows import CHECKPOINT_KEY
from worker.load.histogram import EndpointStats, Histogram
from worker.load.in_flight import Endpoint

STATS, HISTORY, FAILURES, EXCEPTIONS = "_stats.csv", "_stats_history.csv", "_failures.csv", "_exceptions.csv"
CSV_SUFFIXES = (STATS, HISTORY, FAILURES, EXCEPTIONS)
CURRENT_S = 10
"""What is current in a second is of so many seconds, up to it, as in Locust."""
_TOTAL = ("", "Aggregated")
_PERCENTS = [100 * share for share in PERCENTILES_TO_REPORT]
_STATS_COLUMNS = [
    "Type",
    "Name",
    "Request Count",
    "Failure Count",
    "Median Response Time",
    "Average Response Time",
    "Min Response Time",
    "Max Response Time",
    "Average Content Size",
    "Requests/s",
    "Failures/s",
    *get_readable_percentiles(PERCENTILES_TO_REPORT),
]
_HISTORY_COLUMNS = [
    "Timestamp",
    "User Count",
    "Type",
    "Name",
    "Requests/s",
    "Failures/s",
    *get_readable_percentiles(PERCENTILES_TO_REPORT),
    "Total Request Count",
    "Total Failure Count",
    "Total Median Response Time",
    "Total Average Response Time",
    "Total Min Response Time",
    "Total Max Response Time",
    "Total Average Content Size",
]
_FAILURE_COLUMNS = ["Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen"]
_EXCEPTION_COLUMNS = ["Count", "Message", "Traceback", "Nodes"]


class Span(NamedTuple):
    """What was finished in the seconds from `second` on that run.db keeps as one: one, or more of a part that is thinned out."""

    second: int
    span_s: int
    found: dict[Endpoint, EndpointStats]

    @property
    def last_s(self) -> int:
        """Its last second."""
        return self.second + self.span_s - 1


def write_csv(database: Path, prefix: str, *, full_history: bool = False) -> None:
    """Write the four files of a run; with `full_history` the history of each endpoint, too.

    Raises OSError, sqlite3.Error, or InputError where run.db can't be read.
    """
    reader = StoreReader.open(database)
    try:
        reader.hold_snapshot()
        checkpoint = reader.meta(CHECKPOINT_KEY)
        began_wall_s = float(checkpoint["began_wall_s"]) if isinstance(checkpoint, dict) else 0.0
        users = {row.second: row.users for row in reader.seconds()}
        figures = _Figures()
        history = _history(figures, _spans(reader), users, int(began_wall_s), full_history=full_history)
        _write(prefix + HISTORY, _HISTORY_COLUMNS, history)
        _write(prefix + STATS, _STATS_COLUMNS, figures.stats())
        failures = (
            (row.method, row.name, row.error, row.occurrences, _time(began_wall_s + row.first_s), "")
            for row in sorted(reader.errors(), key=lambda row: (row.name, row.method, row.error))
        )
        _write(prefix + FAILURES, _FAILURE_COLUMNS, failures)
        exceptions = (
            (row.occurrences, row.message, f"{row.type} in {row.user_class} at {row.place}: {row.line}", "")
            for row in reader.exceptions()
        )
        _write(prefix + EXCEPTIONS, _EXCEPTION_COLUMNS, exceptions)
    finally:
        reader.close()


def _write(name: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    file: TextIO
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _time(wall_s: float) -> str:
    """A time as Locust writes it."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _spans(reader: StoreReader) -> Iterator[Span]:
    """What was finished in each second in which anything was, in order of time."""
    for second, rows in groupby(reader.requests(), key=lambda row: row.second):
        found: dict[Endpoint, EndpointStats] = defaultdict(EndpointStats)
        span_s = 1
        for row in rows:
            found[row.endpoint].merge(row.tally)
            span_s = max(span_s, row.span_s)
        yield Span(second, span_s, found)


class _Figures:
    """The figures of each endpoint and of all together since the run began, and of the latest seconds."""

    def __init__(self) -> None:
        self._since_start: dict[Endpoint, EndpointStats] = {_TOTAL: EndpointStats()}
        self._latest: deque[Span] = deque()
        self._last_s = 0

    def add(self, span: Span) -> None:
        """Add a span, which comes after all others."""
        self._last_s = span.last_s
        with_total = {**span.found, _TOTAL: EndpointStats.merged(span.found.values())}
        for endpoint, tally in with_total.items():
            self._since_start.setdefault(endpoint, EndpointStats()).merge(tally)
        self._latest.append(span._replace(found=with_total))

    def endpoints(self) -> list[Endpoint]:
        """All endpoints in Locust's order."""
        return sorted((each for each in self._since_start if each != _TOTAL), key=lambda each: (each[1], each[0]))

    def stats(self) -> Iterator[list[object]]:
        """The rows of the statistics."""
        length_s = self._last_s + 1
        for endpoint in [*self.endpoints(), _TOTAL]:
            whole = self._since_start[endpoint]
            rates = whole.total / length_s, whole.failed / length_s
            yield [*endpoint, *_summary(whole), *rates, *_percentiles(whole)]

    def now(self, second: int, endpoint: Endpoint, *, current: bool) -> list[object]:
        """The cells of one row of the history behind its name; `current` percentiles are of the latest seconds."""
        while self._latest and self._latest[0].last_s <= second - CURRENT_S:
            self._latest.popleft()
        parts = [span.found[endpoint] for span in self._latest if endpoint in span.found]
        begin_s = min(max(0, second + 1 - CURRENT_S), min((span.second for span in self._latest), default=second))
        length_s = second + 1 - begin_s
        whole = self._since_start[endpoint]
        rates = (f"{sum(map(of, parts)) / length_s:2f}" for of in (_total, _failed))
        percentiles = _percentiles(EndpointStats.merged(parts) if current else whole)
        return [*rates, *percentiles, *_summary(whole)]


_total: Callable[[EndpointStats], int] = lambda tally: tally.total  # noqa: E731
_failed: Callable[[EndpointStats], int] = lambda tally: tally.failed  # noqa: E731


def _history(
    figures: _Figures, spans: Iterator[Span], users: dict[int, int], began_s: int, *, full_history: bool
) -> Iterator[list[object]]:
    """A row for each second of the run, or for each span of a part that is thinned out, while `figures` gathers all of it."""
    following = next(spans, None)
    last_s = max(users, default=-1)
    second = 0
    while second <= last_s or following is not None:
        if following is not None and following.second <= second:
            second = max(second, following.last_s)
            figures.add(following)
            following = next(spans, None)
        endpoints = figures.endpoints() if full_history else []
        for endpoint in [*endpoints, _TOTAL]:
            cells = figures.now(second, endpoint, current=full_history)
            yield [began_s + second, users.get(second, 0), *endpoint, *cells]
        second += 1


def _latencies(tally: EndpointStats) -> Histogram:
    """Those of all requests that have one, failed ones included, as Locust counts them."""
    found = Histogram()
    found.merge(tally.histogram)
    if tally.failures is not None:
        found.merge(tally.failures)
    return found


def _summary(tally: EndpointStats) -> list[object]:
    latencies = _latencies(tally)
    return [
        tally.total,
        tally.failed,
        round(latencies.percentile(50) or 0),  # whole milliseconds, as in the columns of percentiles
        latencies.mean_ms,
        latencies.min_ms,
        latencies.max_ms,
        tally.received_bytes / tally.total if tally.total else 0,
    ]


def _percentiles(tally: EndpointStats) -> list[object]:
    if not tally.total:
        return ["N/A"] * len(_PERCENTS)
    return [round(value or 0) for value in _latencies(tally).percentiles(_PERCENTS)]
