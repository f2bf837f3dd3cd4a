"""Sets of numbers as spans, which stay small where numbers come in runs. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

Span = tuple[int, int]
"""Numbers from the first up to, not including, the second."""


class SpanSet:
    """A set of numbers."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        """How many numbers there are."""
        for first, end in spans:
            self.add(first, end)

    def __iter__(self) -> Iterator[Span]:
        """The spans in order; no two touch."""
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def __len__(self) -> int:
        """How many spans there are."""
        return len(self._starts)

    def has(self, first: int, end: int) -> bool:
        """Whether all these numbers are in it."""
        index = bisect_right(self._starts, first) - 1
        return index >= 0 and end <= self._ends[index]

    def overlaps(self, first: int, end: int) -> bool:
        """Whether any of these numbers is in it."""
        index = bisect_right(self._starts, end - 1) - 1
        return index >= 0 and self._ends[index] > first

    def add(self, first: int, end: int) -> None:
        """Add numbers of which none is in it. Raises ValueError otherwise, and for what is no span."""
        if not 0 <= first < end:
            raise ValueError(f"{first} to {end} is no span")
        if self.overlaps(first, end):
            raise ValueError(f"numbers of {first} to {end} are added twice")
        self.total += end - first
        index = bisect_right(self._starts, first)
        if index < len(self._starts) and self._starts[index] == end:
            end = self._ends.pop(index)
            del self._starts[index]
        if index and self._ends[index - 1] == first:
            self._ends[index - 1] = end
        else:
            self._starts.insert(index, first)
            self._ends.insert(index, end)

    def remove(self, first: int, end: int) -> None:
        """Remove numbers that are all in it. Raises ValueError otherwise."""
        if not first < end or not self.has(first, end):
            raise ValueError(f"{first} to {end} is not in the set")
        self.total -= end - first
        index = bisect_right(self._starts, first) - 1
        before, after = self._starts[index], self._ends[index]
        del self._starts[index], self._ends[index]
        if end < after:
            self._starts.insert(index, end)
            self._ends.insert(index, after)
        if before < first:
            self._starts.insert(index, before)
            self._ends.insert(index, first)

    def peek(self) -> Span | None:
        """The first span."""
        return (self._starts[0], self._ends[0]) if self._starts else None
