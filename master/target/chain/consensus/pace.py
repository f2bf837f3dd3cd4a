"""When things happen: how fast blocks come, and what a validator has to do after a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Generic, TypeVar

from master.target.chain.ledger.blocks import MAX_BLOCK_TRANSACTIONS

MAX_ROUND_TIMEOUT_S = 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How fast blocks come. `round_timeout_s`: how long a leader is waited for in round 0.

    `repeat_s`: after which one says again what one has said on a height that is not decided, since messages may be lost.
    """

    block_time_s: float = 10.0
    round_timeout_s: float = 2.0
    repeat_s: float = 1.0
    max_transactions: int = MAX_BLOCK_TRANSACTIONS

    @property
    def early_ms(self) -> float:
        """By how much another's clock may be ahead: a quarter of a block's time."""
        return self.block_time_s * 250

    def timeout_s(self, step: int, round_number: int) -> float:
        """How long to wait in that step: longer from round to round, until it suffices."""
        whole = min(self.round_timeout_s * (1 + round_number / 2), MAX_ROUND_TIMEOUT_S)
        return whole / 2 if step else whole


class Timers(Generic[T]):
    """Calls that are due at some time (s), which is passed in. Of those due at one time the first that was set comes first."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[], T]]] = []
        self._count = 0

    def set(self, due_at: float, call: Callable[[], T]) -> None:
        """Have `call` made at that time."""
        self._count += 1  # the heap never compares calls
        heappush(self._waiting, (due_at, self._count, call))

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()

    def next_at(self) -> float:
        """When the next one is due; infinity if none is set."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def pop(self, now: float) -> Callable[[], T] | None:
        """The next call that is due by now, or None."""
        return heappop(self._waiting)[2] if self.next_at() <= now else None
