"""The handler under /cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint
from master.target.api.metrics import Counter, Gauge
from master.target.streamgate.caching.cache import Cache, CacheFigures


class CachePart(Struct):
    """One cache; `hit_share` is the share of reads that found an entry, null before the first read."""

    entries: int
    bytes: int
    hits: int
    misses: int
    hit_share: float | None
    evictions: int
    expirations: int


class CacheStatistics(Struct):
    """Answer of GET /cache/statistics: sums over all caches since the start, and each by its name.

    Evictions made room for others, expirations were too old.
    """

    entries: int
    bytes: int
    hits: int
    misses: int
    hit_share: float | None
    evictions: int
    expirations: int
    caches: dict[str, CachePart]


class CacheApi(Domain):
    """What the caches of other parts have done."""

    def __init__(self, caches: Mapping[str, Cache[Any, Any]]) -> None:
        self._caches = caches

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        return [
            Endpoint(
                "GET",
                "/cache/statistics",
                self.statistics,
                "Hits, misses and sizes of the caches",
                reply=CacheStatistics,
                limited=True,
            )
        ]

    async def statistics(self, _call: Call) -> CacheStatistics:
        """All caches."""
        figures = {name: cache.figures() for name, cache in self._caches.items()}
        sums = CacheFigures(*map(sum, zip(*figures.values(), strict=True)))
        parts = {name: CachePart(*_fields(found)) for name, found in figures.items()}
        return CacheStatistics(*_fields(sums), parts)

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        found: list[Gauge] = []
        for name, cache in self._caches.items():
            figures, label = cache.figures(), {"cache": name}
            found += [
                Counter("target_cache_hits", "Reads that found an entry", figures.hits, label),
                Counter("target_cache_misses", "Reads that found none", figures.misses, label),
                Counter("target_cache_evictions", "Entries that made room for others", figures.evictions, label),
                Counter("target_cache_expirations", "Entries that became too old", figures.expirations, label),
                Gauge("target_cache_entries", "Entries kept", figures.entries, label),
                Gauge("target_cache_bytes", "Bytes of the entries kept", figures.size_bytes, label),
            ]
        return found


def _fields(figures: CacheFigures) -> tuple[int, int, int, int, float | None, int, int]:
    reads = figures.hits + figures.misses
    share = round(figures.hits / reads, 6) if reads else None
    return (
        figures.entries,
        figures.size_bytes,
        figures.hits,
        figures.misses,
        share,
        figures.evictions,
        figures.expirations,
    )
