"""The recorder of a simulated node of a rack: it slows users down as the board's cores would (`worker/simulation/virtual_cores.py`)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import Hub

from worker.load.histogram import Histogram
from worker.load.loop_lag import KEPT_SECONDS, PROBES_PER_SECOND, LagSecond, LagSource
from worker.load.recorder import Recorder
from worker.simulation.virtual_cores import VirtualCores

MIN_WAIT_S = 0.001
"""Shorter waits for a core are neglected."""

_record = Recorder.record


class SlowedLag:
    """The lag of a simulated node: that of its process, which it shares with others, and that of its own cores.

    The worse of the two counts, so that the simulation hides no real lag. A wait for the cores is a lag of as many probes of
    the second as fell into one.
    """

    def __init__(self, process: LagSource, cores: VirtualCores) -> None:
        self._process = process
        self._cores = cores
        self._waits_ms: OrderedDict[int, list[float]] = OrderedDict()
        self._carried = (-1, -1)

    def note(self, now_s: float, wait_s: float) -> None:
        """Note that the node would have handled something at `now_s` so late."""
        waits_ms = self._waits_ms.get(int(now_s))
        if waits_ms is None:
            waits_ms = self._waits_ms[int(now_s)] = [0.0] * PROBES_PER_SECOND
            while len(self._waits_ms) > KEPT_SECONDS:
                self._waits_ms.popitem(last=False)
        probe = int(now_s % 1 * PROBES_PER_SECOND)
        waits_ms[probe] = max(waits_ms[probe], 1000 * wait_s)

    def carry(self, since_s: float, now_s: float, min_ms: float) -> None:
        """As LagSource.carry, for the process and for the cores."""
        self._process.carry(since_s, now_s, min_ms)
        seconds = (int(since_s), int(now_s))
        if seconds != self._carried:  # once for all that are behind since then
            self._carried = seconds
            known = (waits_ms for second, waits_ms in self._waits_ms.items() if seconds[0] <= second < seconds[1])
            worst_ms = max(map(max, known), default=0.0)
            if worst_ms >= min_ms:
                self.note(now_s, worst_ms / 1000)

    def second(self, second: int) -> LagSecond:
        """As LagSource.second. CPU use is that of one core of the node, which has a worker for each."""
        process = self._process.second(second)
        entry = LagSecond()
        busy_percent = self._cores.busy_percent(second)
        entry.cpu_percent = None if process.cpu_percent is None else max(process.cpu_percent, busy_percent)
        waits_ms = [wait_ms for wait_ms in self._waits_ms.get(second, ()) if wait_ms]
        entry.histogram = _with_waits(process.histogram, waits_ms) if waits_ms else process.histogram
        return entry


def _with_waits(lag: Histogram, waits_ms: list[float]) -> Histogram:
    """`lag`, with the waits in place of as many of its shortest probes."""
    buckets, left = dict(lag.buckets), len(waits_ms)
    for bucket in sorted(buckets):
        taken = min(left, buckets[bucket])
        buckets[bucket] -= taken
        left -= taken
        if not buckets[bucket]:
            del buckets[bucket]
        if not left:
            break
    found = Histogram(buckets, lag.max_ms)
    for wait_ms in waits_ms:
        found.add(wait_ms)
    return found


class SlowedRecorder(Recorder):
    """Records requests, charges each to the node's cores, and has the user wait for them."""

    def __init__(
        self,
        process: LagSource,
        cores: VirtualCores,
        clock: Callable[[], float] = time.monotonic,
        *,
        open_model: bool = False,
    ) -> None:
        self._slowed = SlowedLag(process, cores)
        super().__init__(self._slowed, clock, open_model=open_model)
        self._cores = cores
        self._charge = cores.charge

    def record(  # noqa: PLR0917  # as it is in its base
        self,
        method: str,
        name: str,
        latency_ms: float,
        received_bytes: int,
        error: Any = None,
        now_s: float | None = None,
        userspace_timed: bool = False,
        late_ms: float = 0.0,
    ) -> None:
        """Record one request. Called in the greenlet of the user that made it, which continues when a Pi's would."""
        if now_s is None:
            now_s = self._clock()
        _record(self, method, name, latency_ms, received_bytes, error, now_s, userspace_timed, late_ms)
        wait_s = self._charge(now_s)
        if wait_s < MIN_WAIT_S:
            return
        self._slowed.note(now_s, wait_s)
        if not isinstance(gevent.getcurrent(), Hub):  # the event loop itself can't wait for anything
            gevent.sleep(wait_s + self._cores.cost_s)
