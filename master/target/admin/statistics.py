"""The figures of all domains in one answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from master.target.api.domain import Domain
from master.target.database.cache import Cache

_KEY = "statistics"


class _Age(msgspec.Struct):
    as_of: float


class PlatformStatistics:
    """What all domains say of themselves. One answer may serve many who ask."""

    def __init__(self, domains: Sequence[Domain], cache: Cache, *, clock: Callable[[], float] = time.time) -> None:
        self._domains = domains
        self._cache = cache
        self._clock = clock
        fields = [(name, kind) for domain in domains for name, kind in domain.summary_types.items()]
        self.reply: type[msgspec.Struct] = msgspec.defstruct("Statistics", [("as_of", float), *fields])
        """The type of the answer: when its figures were read, in Unix seconds, and the summary of each domain."""

    async def read(self, max_age_s: float) -> bytes:
        """The answer as JSON, read at most `max_age_s` ago."""
        if max_age_s:
            kept = await self._cache.get(_KEY)
            if kept is not None and 0 <= self._clock() - msgspec.json.decode(kept, type=_Age).as_of <= max_age_s:
                return kept.encode()
        figures: dict[str, Any] = {"as_of": self._clock()}
        for domain in self._domains:
            figures |= await domain.summary()
        text = msgspec.json.encode(figures)
        await self._cache.put(_KEY, text.decode())
        return text
