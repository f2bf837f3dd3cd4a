"""The cores of a simulated Pi: the CPU that its requests would cost there, and when it would be done. Pure.

A node of a rack is a part of a process on a machine whose cores are faster than a Pi's, and never get hot. So each request that its users finish is charged with the CPU that it would have cost on its board,

    cost = CPU of a request on this board at full clock * f_max / f

and the core that is free first takes it. As long as a core is free nothing is slowed: the request has cost its CPU while it was
on its way. When none is free, the node is behind: its users wait as those of a Pi would, until their work would be done. The wait
for a free core is reported as the lag of the node's event loop. Latencies are not changed: they end when the kernel has
the answer (worker/http/transport/kernel_timestamps.py), on a Pi as here.

Not modelled: work that a core has begun is not slowed when the clock is lowered meanwhile, and requests cost the same
whatever they are.
"""

from __future__ import annotations

from heapq import heapreplace

from worker.load.loop_lag import KEPT_SECONDS


class VirtualCores:
    """A queue with `count` servers. All times are in seconds of one monotonic clock.

    One thread charges and marks; another may ask for `utilisation`, and set `speed`.
    """

    def __init__(self, count: int, start_s: float) -> None:
        self._count = count
        self._start_s = start_s
        self._free_s = [start_s] * count  # when each has done its work; a heap
        self._idle_s = 0.0  # their idle time so far, up to the latest work
        self._speed = 1.0
        self._request_s = 0.0
        self._cost_s = 0.0
        self._ended = start_s, 0.0
        self._utilisation = 0.0
        self._by_second: dict[int, float] = {}

    @property
    def speed(self) -> float:
        """The clock as a share of its maximum."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._speed = speed
        self._cost_s = self._request_s / speed

    @property
    def request_s(self) -> float:
        """CPU seconds of a request on one of these cores at full clock."""
        return self._request_s

    @request_s.setter
    def request_s(self, request_s: float) -> None:
        self._request_s = request_s
        self._cost_s = request_s / self._speed

    @property
    def cost_s(self) -> float:
        """CPU seconds of a request at the clock of now."""
        return self._cost_s

    def charge(self, now_s: float) -> float:
        """Charge a request that has ended at `now_s`; the seconds that it would have waited for a core, 0 while one is free."""
        frees_s = self._free_s
        wait_s = frees_s[0] - now_s
        if wait_s < 0.0:
            self._idle_s -= wait_s
            heapreplace(frees_s, now_s + self._cost_s)
            return 0.0
        heapreplace(frees_s, frees_s[0] + self._cost_s)
        return wait_s

    def charge_work(self, now_s: float, full_clock_s: float) -> None:
        """Charge work other than requests, which takes so many seconds at full clock, to the core that is free first."""
        begin_s = max(self._free_s[0], now_s)
        self._idle_s += begin_s - self._free_s[0]
        heapreplace(self._free_s, begin_s + full_clock_s / self._speed)

    def busy_s(self, now_s: float) -> float:
        """Busy seconds of all cores together up to `now_s`, which is not before the latest charge."""
        return sum(min(now_s, free_s) - self._start_s for free_s in self._free_s) - self._idle_s

    def end_second(self, now_s: float) -> None:
        """Note the utilisation since the call before, for the seconds between. To be called soon after each full second."""
        (before_s, before_busy_s), self._ended = self._ended, (now_s, self.busy_s(now_s))
        if now_s > before_s:
            share = (self._ended[1] - before_busy_s) / (now_s - before_s) / self._count
            self._utilisation = min(1.0, max(0.0, share))
            for second in range(max(int(before_s), int(now_s) - KEPT_SECONDS), int(now_s)):
                self._by_second[second] = 100 * self._utilisation
        while len(self._by_second) > KEPT_SECONDS:
            del self._by_second[next(iter(self._by_second))]

    def utilisation(self, now_s: float) -> float:
        """The share of the cores that was busy between the latest two calls of `end_second`."""
        del now_s
        return self._utilisation

    def busy_percent(self, second: int) -> float:
        """Utilisation in percent in one second of the clock; 0 where that is not known, or no longer."""
        return self._by_second.get(second, 0.0)
