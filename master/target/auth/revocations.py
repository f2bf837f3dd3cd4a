"""Which families of tokens are revoked. Looked at with every request, and therefore held in memory."""

from __future__ import annotations

from collections import OrderedDict

MAX_REVOCATIONS = 50_000
"""Beyond it the oldest go, whose tokens are then good until they expire. At 200 bytes each: 10 MB."""


class Revocations:
    """Families of tokens that are refused, each until the last token of it has expired. Pure: times are passed in."""

    def __init__(self, max_families: int = MAX_REVOCATIONS) -> None:
        self._max_families = max_families
        self._until: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, family: str) -> bool:
        return family in self._until

    def __len__(self) -> int:
        return len(self._until)

    def add(self, family: str, until: float, now: float) -> None:
        """Refuse a family until then. Those whose time is over go, and the oldest where there are too many."""
        self._until[family] = until
        while self._until:
            oldest = next(iter(self._until))
            if self._until[oldest] > now and len(self._until) <= self._max_families:
                break
            del self._until[oldest]
