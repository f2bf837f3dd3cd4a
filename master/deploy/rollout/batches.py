"""In which order hosts are changed, and when to stop: canaries first, then batches, until a budget of failures is used up. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from master.errors import InputError


@dataclass(frozen=True)
class Budget:
    """How many hosts may fail: a number, or a percentage of all."""

    number: int
    is_share: bool

    def allowed(self, hosts: int) -> int:
        """Of so many `hosts`; a share is rounded down."""
        return hosts * self.number // 100 if self.is_share else self.number


def parse_budget(text: str) -> Budget:
    """`3` or `10%`. Raises InputError."""
    found = re.fullmatch(r"([0-9]{1,5})\s*(%?)", text.strip())
    if found is None or (found[2] and int(found[1]) > 100):
        raise InputError(f"--budget: {text!r} is neither a number of hosts nor a percentage", hint="such as 3 or 10%")
    return Budget(int(found[1]), is_share=bool(found[2]))


class Rollout:
    """A roll-out over `hosts`, in order. Each batch is taken when the one before it is done.

    A canary that fails stops it whatever the budget; `failed` counts hosts that failed before, when their facts were read.
    """

    def __init__(self, hosts: Sequence[str], *, canaries: int, batch: int, allowed: int, failed: int = 0) -> None:
        self._waiting = list(hosts)
        self._canaries = set(hosts[:canaries])
        self._batch = batch
        self._allowed = allowed
        self._failed = 0
        self.stopped = ""
        """Why no further host is begun; empty while they are."""
        self._count(failed)

    def next_batch(self) -> tuple[str, ...]:
        """The hosts to change next; none when all were, or it has stopped."""
        if self.stopped:
            return ()
        size = len(self._canaries) if self._canaries and self._waiting[:1] and self._waiting[0] in self._canaries else 0
        size = size or self._batch
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        return tuple(batch)

    def note(self, host: str, *, ok: bool) -> None:
        """What became of a host."""
        if ok:
            return
        if host in self._canaries:
            self.stopped = self.stopped or f"{host}, which went first, failed"
        self._count(1)

    def _count(self, failed: int) -> None:
        self._failed += failed
        if self._failed > self._allowed and not self.stopped:
            self.stopped = f"{self._failed} hosts failed, where {self._allowed} may"
