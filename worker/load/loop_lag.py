"""Lag of a worker's event loop: the measure of whether the worker was fit to time anything."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from worker.load.histogram import Histogram

PROBE_INTERVAL_S = 0.04721
"""Two probes are 0.9442 of 100 ms apart, the period of a CPU quota: what stops a process once a period is met at ever other
places, no two further than 6 ms apart within a second. At 50 ms a probe would meet it at the same two for ever."""
PROBES_PER_SECOND = 22
"""The most probes of a second without stalls; some have 21."""
KEPT_SECONDS = 120


class LagSecond:
    """One second of one process: a histogram of its probes' lag in ms, and its CPU use in percent of a core (None: unknown)."""

    __slots__ = ("cpu_percent", "histogram")

    def __init__(self) -> None:
        self.histogram = Histogram()
        self.cpu_percent: float | None = None


class LagSource(Protocol):
    """A source of lag and CPU use of a worker, second by second."""

    def second(self, second: int) -> LagSecond:
        """The record of one second of the monotonic clock."""

    def carry(self, since_s: float, now_s: float, min_ms: float) -> None:
        """Count the largest lag since `since_s` in the second of `now_s` too, unless it is below `min_ms`.

        For latencies that are recorded now but were made longer by any lag since then.
        """


class LoopLag:
    """Probes the event loop on a fixed schedule, and records how late each probe is.

    Timers and sockets that become ready while the loop is busy are handled late by the same amount. When a stall swallows whole
    probes, each of them counts with its own lag, in the second in which it was due (the schedule does not
    move: no coordinated omission); the longest of them counts again where the stall ends, since that is where the
    requests that it delayed are counted. All workers of one process share one instance, as they share its loop.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        """`cpu_clock` returns the CPU seconds that this process has used."""
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._seconds: OrderedDict[int, LagSecond] = OrderedDict()
        self._marked_s, self._used_s = clock(), cpu_clock()
        self._carried: tuple[int, int] = (-1, -1)
        self._worst_ms = 0.0  # of what was last carried

    def carry(self, since_s: float, now_s: float, min_ms: float) -> None:
        """As LagSource.carry."""
        seconds = (int(since_s), int(now_s))
        if seconds != self._carried:
            first = max(seconds[0], seconds[1] - KEPT_SECONDS)
            known = (self._seconds.get(second) for second in range(first, seconds[1]))
            self._carried = seconds
            self._worst_ms = max((entry.histogram.max_ms for entry in known if entry is not None), default=0.0)
        if self._worst_ms >= min_ms and self._worst_ms > self._at(seconds[1]).histogram.max_ms:
            self._at(seconds[1]).histogram.add(self._worst_ms)

    def second(self, second: int) -> LagSecond:
        """The record of one second of the monotonic clock; empty when it is unknown or more than two minutes past.

        The CPU of a second that is not over yet is that of its part so far.
        """
        entry = self._seconds.get(second) or LagSecond()
        if entry.cpu_percent is None and int(self._marked_s) <= second <= int(self._clock()):
            entry.cpu_percent = self._cpu_percent()
        return entry

    def run(self, sleep: Callable[[float], None]) -> None:
        """Probe for ever; `sleep` (seconds) must wait in the event loop, and be no later than an answer on a socket would be."""
        interval_s = PROBE_INTERVAL_S
        due_s = self._clock() + interval_s
        while True:
            sleep(max(0.0, due_s - self._clock()))
            now_s = self._clock()
            if now_s - due_s >= interval_s and int(due_s) != int(now_s):
                self._at(int(now_s)).histogram.add((now_s - due_s) * 1000)
            while due_s <= now_s:
                self._at(int(due_s)).histogram.add((now_s - due_s) * 1000)
                due_s += interval_s
            if int(now_s) != int(self._marked_s):
                percent = self._cpu_percent()
                for second in range(int(self._marked_s), int(now_s)):
                    self._at(second).cpu_percent = percent
                self._marked_s, self._used_s = now_s, self._cpu_clock()

    def _cpu_percent(self) -> float:
        return 100 * (self._cpu_clock() - self._used_s) / max(0.01, self._clock() - self._marked_s)

    def _at(self, second: int) -> LagSecond:
        entry = self._seconds.get(second)
        if entry is None:
            entry = self._seconds[second] = LagSecond()
            while len(self._seconds) > KEPT_SECONDS:
                self._seconds.popitem(last=False)
        return entry
