"""Latencies of a result."""

from __future__ import annotations

import msgspec


class Latency(msgspec.Struct, kw_only=True):
    """Latency in ms over the steady part; null where nothing was measured."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p999: float | None
    max: float | None
