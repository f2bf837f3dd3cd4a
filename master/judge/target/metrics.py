"""A threshold's metric over a window of seconds. Pure."""

from __future__ import annotations

from master.judge.seconds.window import Window
from master.scenario.rules import Threshold
from worker.load.histogram import EndpointStats, Histogram

UNANSWERED_AFTER_S = 10
"""A request counts among the errors of a window while it is still in flight once it is as old as this and as the window..."""
OVERDUE = 2.0
"""...and so many times as old as the longest answer so far, or as those two where there was none yet."""


def measure(threshold: Threshold, window: Window, longest_ms: float = 0.0, *, live: bool = False) -> float | None:
    """The metric over `window` in its base unit; None where it has no meaning, for want of requests or users.

    Requests in flight at the window's end count where it is certain what they mean: as slower than a limit that they have waited
    for longer than; as errors, in a window with a length or while the run is on (`live`), when they have waited for far longer
    than any answer has taken (`longest_ms`). Those that never get an answer are counted as failures at the end of the run.
    """
    tally = window.tally
    match threshold.metric:
        case "rate":
            value: float | None = tally.total / window.seconds
        case "rate_per_user":
            # In the seconds of which the users are known: others say nothing of either.
            value = window.total_with_users / window.user_seconds if window.user_seconds > 0 else None
        case "errors":
            overdue = _overdue(window, longest_ms) if live or window.length_s is not None else 0
            total = tally.total + overdue
            value = (tally.failed + overdue) / total if total else None
        case "exceptions":
            value = float(window.exceptions)
        case "missed":
            value = window.no_free_user / window.offered if window.offered else None
        case "arrival_rate":
            value = window.started / window.seconds
        case "cache_hits":
            value = None  # the target's own counters are not of any second
        case _ if threshold.compared_metric is not None:
            value = None  # runs are compared as a whole
        case _:
            value = _latency(threshold, window)
    return value


def _overdue(window: Window, longest_ms: float) -> int:
    if window.waiting is None:
        return 0
    min_ms = 1000.0 * max(window.length_s or 0, UNANSWERED_AFTER_S)
    min_ms = max(min_ms, OVERDUE * longest_ms) if longest_ms else OVERDUE * min_ms
    return window.waiting.count_from(min_ms)


def _latency(threshold: Threshold, window: Window) -> float | None:
    """A percentile, or the largest, of latencies in ms, or of service times where the rule is on those.

    Of the answers that were no failure, or of these together with the failures where that is worse: a failure makes no percentile
    better, and a slow one worse. Of failures only the latency is known, so that service times are those of the others.
    """
    tally = window.tally
    answered = tally.service_times if threshold.on_service_time else tally.histogram
    if window.waiting is not None and threshold.op in {"<", "<="}:
        slower = window.waiting.part_from(threshold.limit)
        if slower.buckets:
            slower.merge(answered)
            answered = slower
    value = _percentile(threshold, answered)
    if value is None or threshold.on_service_time or tally.failures is None or not tally.failures.buckets:
        return value
    everything = Histogram()
    everything.merge(answered)
    everything.merge(tally.failures)
    with_failures = _percentile(threshold, everything)
    assert with_failures is not None
    return with_failures if threshold.is_worse(with_failures, value) else value


def measure_answered(threshold: Threshold, tally: EndpointStats) -> float | None:
    """The same of what was answered and did not fail alone; None when nothing was."""
    return _percentile(threshold, tally.service_times if threshold.on_service_time else tally.histogram)


def _percentile(threshold: Threshold, histogram: Histogram) -> float | None:
    if not histogram.buckets:
        return None
    assert threshold.percent is not None  # the grammar knows no other metric
    return histogram.max_ms if threshold.percent == 100 else histogram.percentile(threshold.percent)
