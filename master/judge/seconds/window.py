"""The latest seconds of what the target answered, as one."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from master.judge.seconds.second_facts import ArrivalCounts
from worker.load.histogram import EndpointStats, Histogram


class Second(NamedTuple):
    """What one second adds to a window. The histograms must not change afterwards."""

    tally: EndpointStats | None = None
    """The requests that ended in it; None when there were none."""
    users: float | None = None
    """Users that ran; None when that is not known."""
    exceptions: int = 0
    """Exceptions that the code of users let through."""
    waiting: Histogram | None = None
    """The ages in ms of requests that were in flight at its end and had been for a second or longer; None when there were none."""
    arrivals: ArrivalCounts | None = None
    """Arrivals of the open model that were due in it; None in the closed model."""


class _Peaks:
    """The largest value of the latest seconds, kept as a falling sequence, so that it is always at hand."""

    def __init__(self) -> None:
        self._falling: deque[tuple[int, float]] = deque()

    def add(self, second_s: int, value: float, length_s: int) -> float:
        """Add the value of the next second; the largest of the last `length_s`."""
        while self._falling and self._falling[-1][1] <= value:
            self._falling.pop()
        self._falling.append((second_s, value))
        if self._falling[0][0] <= second_s - length_s:
            self._falling.popleft()
        return self._falling[0][1]


class Window:
    """The requests of the last `length_s` seconds on end, or of all seconds when it is None.

    Every second costs its own size, not the window's: what leaves is subtracted again.
    """

    def __init__(self, length_s: int | None) -> None:
        self.length_s = length_s
        self._clear()

    def _clear(self) -> None:
        self.tally = EndpointStats()
        self.seconds = 0
        self.exceptions = 0
        self.waiting: Histogram | None = None
        """Of the latest second."""
        self.total_with_users = 0
        """Requests of the seconds of which the users are known."""
        self.user_seconds = 0.0
        """The users of those, added up."""
        self.seconds_with_users = 0
        """How many these are."""
        self.offered = self.started = self.no_free_user = self.unfit_missed = 0
        """Arrivals, as in ArrivalCounts."""
        self._last_s: int | None = None
        self._recent: deque[Second] = deque()
        self._peaks, self._service_peaks = _Peaks(), _Peaks()

    @property
    def start_s(self) -> int:
        """The first second of the window, when it has a length."""
        return 0 if self._last_s is None else self._last_s + 1 - self.seconds

    @property
    def complete(self) -> bool:
        """Whether as many seconds as wanted are in it; one without a length is from its first."""
        return self.seconds > 0 if self.length_s is None else self.seconds == self.length_s

    def add(self, second_s: int, second: Second) -> None:
        """Add the next second. A gap starts a window with a length anew.

        Raises ValueError for a second that isn't later than the last.
        """
        if self._last_s is not None and second_s <= self._last_s:
            raise ValueError(f"second {second_s} after second {self._last_s}")
        if self.length_s is not None and self._last_s is not None and second_s != self._last_s + 1:
            self._clear()
        self._last_s = second_s
        self.seconds += 1
        self.exceptions += second.exceptions
        self.waiting = second.waiting
        self._count_users(second, 1)
        self._count_arrivals(second, 1)
        if second.tally is not None:
            self.tally.merge(second.tally)
        if self.length_s is not None:
            self._slide(second_s, second)

    def add_span(self, second_s: int, span_s: int, second: Second) -> None:
        """Add the next `span_s` seconds, of which `second` is all together: its users are added up. Only without a length.

        Raises ValueError for a span that isn't later than the last second.
        """
        if self._last_s is not None and second_s <= self._last_s:
            raise ValueError(f"second {second_s} after second {self._last_s}")
        self._last_s = second_s + span_s - 1
        self.seconds += span_s
        self.exceptions += second.exceptions
        self.waiting = second.waiting
        self._count_users(second, 1, span_s)
        self._count_arrivals(second, 1)
        if second.tally is not None:
            self.tally.merge(second.tally)

    def _count_users(self, second: Second, sign: int, seconds: int = 1) -> None:
        if second.users is not None:
            self.user_seconds += sign * second.users
            self.seconds_with_users += sign * seconds
            self.total_with_users += 0 if second.tally is None else sign * second.tally.total

    def _count_arrivals(self, second: Second, sign: int) -> None:
        if second.arrivals is not None:
            self.offered += sign * second.arrivals.offered
            self.started += sign * second.arrivals.started
            self.no_free_user += sign * second.arrivals.no_free_user
            self.unfit_missed += sign * second.arrivals.unfit_missed

    def _slide(self, second_s: int, second: Second) -> None:
        assert self.length_s is not None
        self._recent.append(second)
        tally = second.tally
        max_ms = self._peaks.add(second_s, 0.0 if tally is None else tally.histogram.max_ms, self.length_s)
        service_max_ms = self._service_peaks.add(
            second_s, 0.0 if tally is None else tally.service_times.max_ms, self.length_s
        )
        if self.seconds > self.length_s:
            self.seconds -= 1
            gone = self._recent.popleft()
            self.exceptions -= gone.exceptions
            self._count_users(gone, -1)
            self._count_arrivals(gone, -1)
            if gone.tally is not None:
                _subtract_tally(self.tally, gone.tally)
        self.tally.histogram.max_ms = max_ms
        if self.tally.service is not None:
            self.tally.service.max_ms = service_max_ms


def _subtract_tally(tally: EndpointStats, part: EndpointStats) -> None:
    tally.total -= part.total
    tally.failed -= part.failed
    tally.received_bytes -= part.received_bytes
    tally.userspace_timed -= part.userspace_timed
    tally.unanswered -= part.unanswered
    tally.without_latency -= part.without_latency
    _subtract(tally.histogram, part.histogram)
    if tally.service is not None:
        _subtract(tally.service, part.service_times)
    if tally.failures is not None and part.failures is not None:
        _subtract(tally.failures, part.failures)


def _subtract(histogram: Histogram, part: Histogram) -> None:
    """Take the counts off again. `max_ms` stays, as it can't be known: it may be larger than what is left."""
    buckets = histogram.buckets
    for bucket, count in part.buckets.items():
        left = buckets[bucket] - count
        if left:
            buckets[bucket] = left
        else:
            del buckets[bucket]
