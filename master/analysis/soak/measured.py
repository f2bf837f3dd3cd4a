"""From run.db to series: a value a block for each endpoint, node and process. A day is read block by block, so memory stays small."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from master.analysis.soak.blocks import Blocks
from master.analysis.soak.series import Floats, Series
from master.store import CONTROLLER, StoreReader
from worker.load.histogram import GAMMA, EndpointStats, Histogram
from worker.load.in_flight import Endpoint

ALL_REQUESTS = "all requests"
TARGET = "target"
MIN_LATENCIES = 50
"""In a block, for its p95 to be known."""
_P95 = 0.95


def read_series(store: StoreReader, blocks: Blocks) -> dict[str, list[Series]]:
    """All that is known, by metric. Raises sqlite3.Error where run.db can't be read."""
    return {
        **_requests(store, blocks),
        "target_memory": _target_memory(store, blocks),
        "controller_memory": _floor(store.controller_memory(), CONTROLLER, blocks),
        **_nodes(store, blocks),
    }


def fine_percentile(histogram: Histogram, share: float) -> float:
    """The latency in ms that `share` (0 to 1) of all did not exceed, taken to lie evenly in their buckets; NaN of none.

    The middle of a bucket, as `Histogram.percentile` gives it, goes by steps of 2 %, which would hide a slow drift.
    """
    rank, seen = share * histogram.count, 0
    for bucket in sorted(histogram.buckets):
        count = histogram.buckets[bucket]
        if seen + count >= rank:
            value_ms: float = GAMMA ** (bucket - 1 + (rank - seen) / count) / 1000
            return min(value_ms, histogram.max_ms)
        seen += count
    return math.nan


def _empty(blocks: Blocks) -> Floats:
    return np.full(blocks.count, np.nan)


def _requests(store: StoreReader, blocks: Blocks) -> dict[str, list[Series]]:
    """Errors of every request, p95 of those that fit workers measured."""
    p95: dict[str, Floats] = defaultdict(lambda: _empty(blocks))
    errors: dict[str, Floats] = defaultdict(lambda: _empty(blocks))
    counts: dict[Endpoint, list[int]] = {}
    latencies: dict[Endpoint, Histogram] = {}
    block = -1

    def close() -> None:
        if block < 0 or not counts:
            return
        together = Histogram()
        for histogram in latencies.values():
            together.merge(histogram)
        named = {" ".join(endpoint).strip(): histogram for endpoint, histogram in latencies.items()}
        for name, histogram in {**named, ALL_REQUESTS: together}.items():
            if histogram.count >= MIN_LATENCIES:
                p95[name][block] = fine_percentile(histogram, _P95)
        total, failed = map(sum, zip(*counts.values(), strict=True))
        errors[ALL_REQUESTS][block] = 100 * failed / total if total else np.nan
        for endpoint, (total, failed) in counts.items():
            if total >= MIN_LATENCIES:
                errors[" ".join(endpoint).strip()][block] = 100 * failed / total
        counts.clear()
        latencies.clear()

    for row in store.requests():
        index = blocks.index(row.second + (row.span_s - 1) / 2)
        if index is None:
            continue
        # Of two thinned spans that begin together the longer may reach into the next block, and come first.
        if index > block:
            close()
            block = index
        _add(row.tally, counts.setdefault(row.endpoint, [0, 0]))
        if row.fit:
            latencies.setdefault(row.endpoint, Histogram()).merge(row.tally.histogram)
    close()
    return {
        "p95": [Series(name, values) for name, values in sorted(p95.items()) if _worth(name, values)],
        "errors": [Series(name, values) for name, values in sorted(errors.items()) if _worth(name, values)],
    }


def _add(tally: EndpointStats, counts: list[int]) -> None:
    counts[0] += tally.total
    counts[1] += tally.failed


def _worth(name: str, values: Floats) -> bool:
    """Whether an endpoint has enough requests in most blocks; all requests together are looked at in any case."""
    return name == ALL_REQUESTS or float(np.isnan(values).mean()) < 1 / 3


def _target_memory(store: StoreReader, blocks: Blocks) -> list[Series]:
    return _floor(((row.second, row.memory_bytes) for row in store.target()), TARGET, blocks)


def _floor(rows: Iterable[tuple[int, int | None]], name: str, blocks: Blocks) -> list[Series]:
    """The lowest memory in each block, of one process; nothing where none is known."""
    values = _empty(blocks)
    for second, memory_bytes in rows:
        index = blocks.index(second)
        if index is not None and memory_bytes is not None:
            values[index] = np.fmin(values[index], memory_bytes)
    return [] if np.isnan(values).all() else [Series(name, values, saws=True)]


def _nodes(store: StoreReader, blocks: Blocks) -> dict[str, list[Series]]:
    """The floor of each node's memory, and its mean temperature."""
    memory: dict[str, Floats] = defaultdict(lambda: _empty(blocks))
    heat: dict[str, Floats] = defaultdict(lambda: _empty(blocks))
    columns = ("memory_used_bytes", "temperature_c")
    for row in store.sample_blocks(columns, blocks.start_s, blocks.end_s, blocks.length_s):
        if row.node == CONTROLLER:
            continue
        used, degrees = row.ranges
        if used is not None:
            memory[row.node][row.span] = used.lowest
        if degrees is not None:
            heat[row.node][row.span] = degrees.mean
    return {
        "node_memory": [Series(name, values, heat.get(name), saws=True) for name, values in sorted(memory.items())],
        "node_temperature": [Series(name, values) for name, values in sorted(heat.items())],
    }
