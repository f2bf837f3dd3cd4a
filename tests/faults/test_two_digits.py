"""L11: latencies that differ must stay different, and a percentile must be near the truth at every magnitude."""

from __future__ import annotations

from collections.abc import Callable

from finding import Finding
from locust.stats import RequestStats

from worker.load.histogram import Histogram

FAULT = "L11"
TITLE = "latencies keep two digits"
NEAR_MS = (7.6, 8.4)
BEGIN_MS, END_MS, STEP = 1.0, 10_000.0, 1.007
TOLERANCE = 0.01


def stock() -> Finding:
    def p95_ms(latencies_ms: list[float]) -> float:
        stats = RequestStats(use_response_times_cache=False)
        for latency_ms in latencies_ms:
            stats.log_request("GET", "/", latency_ms, 0)
        return float(stats.total.get_response_time_percentile(0.95))

    return found(p95_ms)


def ours() -> Finding:
    def p95_ms(latencies_ms: list[float]) -> float:
        histogram = Histogram()
        for latency_ms in latencies_ms:
            histogram.add(latency_ms)
        percentile = histogram.percentile(95)
        assert percentile is not None
        return percentile

    return found(p95_ms)


def found(p95_ms: Callable[[list[float]], float]) -> Finding:
    """Measure a hundred equal latencies, whose p95 is known, and one longer, without which the maximum would give them away."""
    shown = [p95_ms([near_ms] * 100 + [near_ms * 10]) for near_ms in NEAR_MS]
    worst, worst_ms, true_ms = 0.0, 0.0, BEGIN_MS
    while true_ms < END_MS:
        error = abs(p95_ms([true_ms] * 100 + [true_ms * 10]) - true_ms) / true_ms
        if error > worst:
            worst, worst_ms = error, true_ms
        true_ms *= STEP
    near = " and ".join(f"{near_ms:g}" for near_ms in NEAR_MS)
    seen = f"p95 of {near} ms: {shown[0]:.3g} and {shown[1]:.3g}; worst error {100 * worst:.1f} %, at {worst_ms:.4g} ms"
    return Finding(shown[0] < shown[1] and worst <= TOLERANCE, seen)


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
