"""What processing finds wrong with the chunks of a session."""

from __future__ import annotations

MAX_LISTED = 100
"""A session may lose tens of thousands of chunks; so many numbers are as good as all."""


class Damage:
    """The numbers of damaged chunks, in order: those that are missing, and those that fail authentication. Pure."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        """The first MAX_LISTED of them."""
        self._missing = 0
        self._corrupt = 0

    def __bool__(self) -> bool:
        return bool(self.numbers)

    def add_missing(self, start: int, end: int) -> None:
        """The chunks from `start` to before `end` are not there."""
        self._missing += max(0, end - start)
        self._list(range(start, end))

    def add_corrupt(self, number: int) -> None:
        """A chunk is not what was stored."""
        self._corrupt += 1
        self._list((number,))

    def reason(self) -> str:
        """What a session's owner is told."""
        parts = [(self._missing, "missing"), (self._corrupt, "failing authentication")]
        found = " and ".join(f"{count} {what}" for count, what in parts if count)
        return f"damaged chunks: {found}, the first is {self.numbers[0]}"

    def _list(self, numbers: range | tuple[int]) -> None:
        self.numbers.extend(numbers[: MAX_LISTED - len(self.numbers)])
