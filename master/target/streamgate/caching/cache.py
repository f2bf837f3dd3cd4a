"""A cache with an age and a size: what is too old is not given out, and the least recently used goes when there is no room."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, Protocol, TypeVar

from cachetools import TTLCache

ENTRY_BYTES = 400
"""What an entry takes beyond its value: two dictionaries' slots, the key, its link and the value's own head."""


class Sized(Protocol):
    """What can be kept."""

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, by and large."""


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value", bound=Sized)


class CacheFigures(NamedTuple):
    """What became of reads since the start, and what is kept now."""

    entries: int
    size_bytes: int
    hits: int
    misses: int
    evictions: int
    expirations: int


class Cache(Generic[Key, Value]):
    """Values of at most `max_bytes` in all, each for `ttl_s` seconds since it was put. `timer` gives seconds."""

    def __init__(self, max_bytes: int, ttl_s: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._entries: _Entries[Key, Value] = _Entries(max_bytes, ttl_s, timer, _size)
        self._hits = 0
        self._misses = 0
        self.drops = 0
        """How many keys were dropped. A reader that fills the cache compares it, so as not to put what was changed meanwhile."""

    def get(self, key: Key) -> Value | None:
        """The value, or None where there is none; counted."""
        try:
            value = self._entries[key]
        except KeyError:
            self._misses += 1
            return None
        self._hits += 1
        return value

    def put(self, key: Key, value: Value) -> None:
        """Keep it. What is larger than the whole cache is not kept."""
        if _size(value) <= self._entries.maxsize:
            self._entries[key] = value

    def drop(self, key: Key) -> None:
        """Forget it, since it has changed."""
        self.drops += 1
        self._entries.pop(key, None)

    def figures(self) -> CacheFigures:
        """The counts."""
        entries = self._entries
        entries.expire()
        return CacheFigures(
            len(entries), int(entries.currsize), self._hits, self._misses, entries.evictions, entries.expirations
        )


class _Entries(TTLCache[Key, Value]):
    """Counts what goes by itself."""

    evictions = 0
    expirations = 0

    def expire(self, time: float | None = None) -> list[tuple[Key, Value]]:
        expired = list(super().expire(time))
        self.expirations += len(expired)
        return expired

    def popitem(self) -> tuple[Key, Value]:
        item = super().popitem()
        self.evictions += 1
        return item


def _size(value: Sized) -> int:
    return value.size_bytes + ENTRY_BYTES
