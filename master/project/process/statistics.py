"""`environment.stats` of the master side: Locust's own statistics, fed with what the controller has stored."""

from __future__ import annotations

import time
from collections.abc import Iterable

from locust.stats import RequestStats, StatsEntry, StatsError, bucket_response_time

from master.project.process.messages import Occurred, Requests
from worker.load.histogram import value_ms

KEPT_S = 3600
"""Seconds of which requests per second are kept: Locust keeps all of them, for a chart that there is not here."""


def add_requests(stats: RequestStats, rows: Iterable[Requests]) -> None:
    """Add requests that workers measured."""
    for row in rows:
        for entry in (stats.total, stats.entries[row.name, row.method]):
            _add(entry, row)


def _add(entry: StatsEntry, row: Requests) -> None:
    last_s = entry.last_request_timestamp
    if entry.use_response_times_cache and last_s is not None and row.wall_s > int(last_s):
        entry._cache_response_times(row.wall_s - 1)  # noqa: SLF001  # what `log` does
    entry.num_requests += row.total
    entry.num_none_requests += row.without_latency
    entry.num_failures += row.failed
    entry.total_content_length += row.received_bytes
    entry.num_reqs_per_sec[row.wall_s] += row.total
    if row.failed:
        entry.num_fail_per_sec[row.wall_s] += row.failed
    entry.last_request_timestamp = max(last_s or 0.0, float(row.wall_s))
    for bucket, count in row.buckets.items():
        latency_ms = min(value_ms(bucket), row.max_ms)
        entry.total_response_time += latency_ms * count  # type: ignore[assignment]  # annotated as int, and a float in Locust, too
        entry.response_times[bucket_response_time(latency_ms)] += count
    if row.buckets:
        least_ms = min(value_ms(min(row.buckets)), row.max_ms)
        known_ms = entry.min_response_time
        entry.min_response_time = least_ms if known_ms is None else min(known_ms, least_ms)  # type: ignore[assignment]
        entry.max_response_time = max(entry.max_response_time, row.max_ms)  # type: ignore[assignment]
    if len(entry.num_reqs_per_sec) > 2 * KEPT_S:
        for per_second in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
            for second in [second for second in per_second if second < row.wall_s - KEPT_S]:
                del per_second[second]


def add_errors(stats: RequestStats, rows: Iterable[Occurred]) -> None:
    """Add errors at endpoints."""
    now_s = time.time()
    for row in rows:
        key = StatsError.create_key(row.method, row.name, row.error)
        error = stats.errors.get(key)
        if error is None:
            error = stats.errors[key] = StatsError(row.method, row.name, row.error, first_seen=now_s)
        error.occurrences += row.count
        error.last_seen = now_s
