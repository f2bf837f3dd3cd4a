"""The steady seconds of a run: those that lie wholly within a hold. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from master.load.schedule import Span, whole_seconds


class SteadyPart:
    """The steady seconds of a run, by the spans in which they lie; the container of all of them."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        """`spans` are in order, in seconds since the run began."""
        self.spans = list(spans)

    def __contains__(self, second: object) -> bool:
        return isinstance(second, int) and any(
            start_s <= second and second + 1 <= end_s for start_s, end_s in self.spans
        )

    def seconds(self) -> list[int]:
        """All of them, in order."""
        return whole_seconds(self.spans)

    def last_second(self, first: int, last: int) -> int | None:
        """The latest one from `first` to `last`; None when there is none."""
        for start_s, end_s in reversed(self.spans):
            second = min(last, math.floor(end_s) - 1)
            if second >= max(first, math.ceil(start_s)):
                return second
        return None
