"""The lag with which the event loop wakes its probes, on a clock and a sleep that the test drives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from worker.load.histogram import Histogram
from worker.load.loop_lag import KEPT_SECONDS, PROBE_INTERVAL_S, PROBES_PER_SECOND, LoopLag

START_S = 1000.0
ALL = (PROBES_PER_SECOND - 1, PROBES_PER_SECOND)


class Loop:
    """An event loop: its sleeps are exact but for the stalls, given by the time at which the sleep begins."""

    def __init__(self, busy_share: float = 0.0) -> None:
        self.now_s = START_S
        self.lag = LoopLag(clock=lambda: self.now_s, cpu_clock=lambda: busy_share * (self.now_s - START_S))

    def run(self, seconds: float, late_s: Callable[[float], float] = lambda _: 0.0) -> None:
        """Run the loop with its probe for so long; each sleep takes `late_s` of its start longer than asked."""

        class Over(Exception):  # noqa: N818
            pass

        def sleep(asked_s: float) -> None:
            if self.now_s >= START_S + seconds:
                raise Over
            self.now_s += asked_s + late_s(self.now_s)

        with pytest.raises(Over):
            self.lag.run(sleep)


def test_a_loop_that_is_in_time_has_no_lag() -> None:
    """In a loop without lag each full second has all its probes, and the largest lag is zero."""
    loop = Loop()
    loop.run(10)
    for second in range(1001, 1009):
        histogram = loop.lag.second(second).histogram
        assert histogram.count in ALL
        assert histogram.max_ms == pytest.approx(0, abs=1e-6)


def test_a_constant_delay_is_the_lag_of_every_probe() -> None:
    """Under a constant delay every probe has that lag, and the number of probes stays, since their schedule does not move."""
    loop = Loop()
    loop.run(10, lambda _: 0.02)
    histogram = loop.lag.second(1005).histogram
    assert histogram.count in ALL
    assert histogram.max_ms == pytest.approx(20)
    assert histogram.percentile(50) == pytest.approx(20, rel=0.01)


def test_a_stall_counts_every_probe_that_it_swallows_with_falling_lags() -> None:
    """Each probe swallowed by a stall counts where it was due, with the wait left; the longest counts again where the
    stall ends.
    """
    loop = Loop()
    interval_ms = 1000 * PROBE_INTERVAL_S
    longest_ms = 59 * interval_ms + 1
    stalls = iter([longest_ms / 1000])
    loop.run(20, lambda now_s: next(stalls, 0.0) if now_s >= 1004.5 else 0.0)
    seconds = [loop.lag.second(second).histogram for second in range(1004, 1008)]
    largest_ms = [histogram.max_ms for histogram in seconds]
    assert (largest_ms[0], largest_ms[3]) == pytest.approx((longest_ms, longest_ms))
    assert longest_ms > largest_ms[1] > largest_ms[2] > longest_ms - 2000
    pooled = Histogram()
    for histogram in seconds:
        pooled.merge(histogram)
    lags_ms = pooled.percentiles(100 * rank / pooled.count for rank in range(1, pooled.count + 1))
    swallowed = [lag_ms for lag_ms in lags_ms if lag_ms is not None and lag_ms > 0.9]
    assert swallowed == pytest.approx([*(1 + interval_ms * probe for probe in range(60)), longest_ms], rel=0.01)
    assert loop.lag.second(1010).histogram.max_ms == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("phase", range(10))
def test_stops_that_come_with_the_period_of_a_cpu_quota_are_seen_in_each_second(phase: int) -> None:
    """Stops of 70 ms in every 100 ms, as by a CPU quota, show nearly whole in each second, wherever they begin."""
    loop = Loop()

    def late_s(now_s: float) -> float:
        """Return how late the probe's sleep ends, when it would end within a stop."""
        end_s = now_s + max(0.0, PROBE_INTERVAL_S - (now_s - START_S) % PROBE_INTERVAL_S)
        return max(0.0, 0.07 - (end_s + phase / 100) % 0.1)

    loop.run(10, late_s)
    assert min(loop.lag.second(second).histogram.max_ms for second in range(1001, 1009)) > 60


@pytest.mark.parametrize("busy_share", [0.0, 0.25, 1.0])
def test_cpu_is_what_the_process_used_in_the_second(busy_share: float) -> None:
    """A second's CPU is in percent of one core; that of a second under way covers its part so far."""
    loop = Loop(busy_share)
    loop.run(5.5)
    assert loop.lag.second(1003).cpu_percent == pytest.approx(100 * busy_share)
    assert loop.lag.second(1005).cpu_percent == pytest.approx(100 * busy_share)
    assert loop.lag.second(1006).cpu_percent is None


def test_the_seconds_of_a_stall_have_the_cpu_used_over_it() -> None:
    """Each second of a stall has the CPU used over the stall, so that a loop busy with its own work shows as busy."""
    loop = Loop(busy_share=0.8)
    stalls = iter([3.0])
    loop.run(10, lambda now_s: next(stalls, 0.0) if now_s >= 1004.5 else 0.0)
    assert [loop.lag.second(second).cpu_percent for second in range(1004, 1008)] == pytest.approx([80] * 4)


def test_only_the_latest_seconds_are_kept() -> None:
    """Only the latest seconds are kept; an older or an unknown second has an empty record."""
    loop = Loop()
    loop.run(3 * KEPT_SECONDS)
    assert len(loop.lag._seconds) == KEPT_SECONDS
    for second in (1001, 9999):
        assert loop.lag.second(second).histogram.count == 0
        assert loop.lag.second(second).cpu_percent is None


def stalled_at_1004() -> Loop:
    """A loop that stood still for 300 ms in second 1004, seen ten seconds later."""
    loop = Loop()
    stalls = iter([0.3])
    loop.run(14, lambda now_s: next(stalls, 0.0) if now_s >= 1004.5 else 0.0)
    return loop


def test_a_lag_counts_again_where_it_still_makes_requests_late() -> None:
    """A lag that delayed a request counts again once, in the second in which the request ends, and in none between."""
    loop = stalled_at_1004()
    largest_ms = loop.lag.second(1004).histogram.max_ms
    before = loop.lag.second(1006).histogram.count
    for _ in range(3):
        loop.lag.carry(1004.2, 1006.7, 1.0)
    carried = loop.lag.second(1006).histogram
    assert (carried.max_ms, carried.count) == (largest_ms, before + 1)
    assert loop.lag.second(1005).histogram.max_ms == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("since_s", "min_ms"), [(1005.0, 0.0), (1004.0, 400.0)], ids=["since after it", "far less than the lateness"]
)
def test_a_lag_that_is_not_why_requests_are_late_stays_where_it_was(since_s: float, min_ms: float) -> None:
    loop = stalled_at_1004()
    loop.lag.carry(since_s, 1006.7, min_ms)
    assert loop.lag.second(1006).histogram.max_ms == pytest.approx(0, abs=1e-6)


def test_a_lateness_of_an_hour_is_looked_for_no_further_than_what_is_kept() -> None:
    loop = stalled_at_1004()
    loop.lag.carry(0.0, 1006.7, 0.0)
    assert loop.lag.second(1006).histogram.max_ms == loop.lag.second(1004).histogram.max_ms
