"""Answers that may be a little old, kept in memory; in Redis by `redis_server`."""

from __future__ import annotations

from typing import Protocol

MAX_ENTRIES = 64


class Cache(Protocol):
    """Text by key. What is kept may be gone at any time."""

    async def get(self, key: str) -> str | None:
        """What was put last, or None."""

    async def put(self, key: str, text: str) -> None:
        """Keep it."""


class MemoryCache:
    """A Cache of this process. Its keys are few and fixed."""

    def __init__(self) -> None:
        self._entries: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        """As Cache."""
        return self._entries.get(key)

    async def put(self, key: str, text: str) -> None:
        """As Cache."""
        if len(self._entries) >= MAX_ENTRIES:
            self._entries.clear()
        self._entries[key] = text
