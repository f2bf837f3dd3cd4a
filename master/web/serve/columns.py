"""A run over time, as the page draws it: a column a second for the last hour, and one a minute before. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from worker.load.histogram import ArrivalTally, EndpointStats, Histogram

KEPT_SECONDS = 3600
MAX_MINUTES = 14 * 24 * 60
"""Of a run that is longer the first ones are forgotten by the page, never by run.db."""
MINUTE_S = 60
FIELDS = (
    "offset_s",
    "span_s",
    "users",
    "rate_per_s",
    "errors_per_s",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "offered_per_s",
    "missed_per_s",
)
Row = list[float | None]


class Span:
    """What was finished in some seconds, all endpoints together."""

    __slots__ = ("arrivals", "failed", "histogram", "offered", "seconds", "start_s", "total", "users")

    def __init__(self, start_s: int) -> None:
        self.start_s = start_s
        self.seconds = 0
        self.users: int | None = None
        self.offered: int | None = None
        self.total = self.failed = 0
        self.histogram = Histogram()
        """Of fit workers."""
        self.arrivals = ArrivalTally()

    def add_requests(self, tally: EndpointStats, *, fit: bool) -> None:
        """Count requests, and the latencies of a fit worker."""
        self.total += tally.total
        self.failed += tally.failed
        if fit:
            self.histogram.merge(tally.histogram)

    def merge(self, other: Span) -> None:
        """Add a later span."""
        self.seconds += other.seconds
        self.users = other.users if other.users is not None else self.users
        if other.offered is not None:
            self.offered = (self.offered or 0) + other.offered
        self.total += other.total
        self.failed += other.failed
        self.histogram.merge(other.histogram)
        self.arrivals.merge(other.arrivals)

    def row(self) -> Row:
        """By FIELDS."""
        seconds = max(1, self.seconds)
        percentiles = [None if each is None else round(each, 3) for each in self.histogram.percentiles((50, 95, 99))]
        offered = missed = None
        if self.offered is not None:
            offered = round(self.offered / seconds, 3)
            missed = round((self.arrivals.missed + self.arrivals.given_up) / seconds, 3)
        rates = (round(self.total / seconds, 3), round(self.failed / seconds, 3))
        return [self.start_s, seconds, self.users, *rates, *percentiles, offered, missed]


class Columns:
    """Rows of a run, in order of time."""

    def __init__(self) -> None:
        self.minutes: deque[Row] = deque(maxlen=MAX_MINUTES)
        self.seconds: deque[Row] = deque(maxlen=KEPT_SECONDS)
        self._minute: Span | None = None

    def add(self, span: Span) -> Row:
        """Add the next span, of a second or of up to a minute; its row."""
        row = span.row()
        if span.seconds > 1:
            self._close_minute()
            self.minutes.append(row)
            return row
        self.seconds.append(row)
        if self._minute is not None and self._minute.start_s // MINUTE_S != span.start_s // MINUTE_S:
            self._close_minute()
        if self._minute is None:
            self._minute = Span(span.start_s)
        self._minute.merge(span)
        return row

    def _close_minute(self) -> None:
        if self._minute is not None:
            self.minutes.append(self._minute.row())
            self._minute = None

    def rows(self) -> Iterator[Row]:
        """All rows: minutes up to the first second that is kept, then seconds."""
        minutes, seconds = list(self.minutes), list(self.seconds)  # another thread may add to them meanwhile
        if seconds:
            first_s = seconds[0][0] or 0
            minutes = [row for row in minutes if (row[0] or 0) < first_s]
        yield from minutes
        # A minute whose first seconds are forgotten is shown as one.
        yield from (row for row in seconds if not minutes or (row[0] or 0) >= _end_s(minutes[-1]))


def _end_s(row: Row) -> float:
    return (row[0] or 0) + (row[1] or 0)


def spans_of(rows: Iterable[tuple[int, int, EndpointStats, bool]]) -> Iterator[Span]:
    """Spans of rows (second, span in seconds, tally, fit) in order of time."""
    span: Span | None = None
    for second, span_s, tally, fit in rows:
        if span is None or second != span.start_s:
            if span is not None:
                yield span
            span = Span(second)
        span.seconds = max(span.seconds, span_s)
        span.add_requests(tally, fit=fit)
    if span is not None:
        yield span
