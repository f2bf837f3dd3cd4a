"""Reports of each worker that the controller has taken, that run.db keeps, and that are acknowledged. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

ReportAck = tuple[int, int]
"""Of a worker: its incarnation (see worker.wire.messages.Ready), and the number of its last report that is meant."""


class ReportAcks:
    """Reports are taken in order of number, without a gap, of each worker's latest incarnation only.

    A worker forgets what it is told that the controller has, so it is told of what is committed, and of nothing else.
    """

    def __init__(self, kept: Mapping[str, ReportAck], dropped: Counter[str]) -> None:
        """`kept` is what run.db has, by worker. What is not taken is counted in `dropped`, by reason."""
        self.cut_off: list[str] = []
        """Workers that ended without a final report."""
        self.taken = 0
        """Reports taken so far."""
        self._dropped = dropped
        self._kept = dict(kept)
        self._taken = dict(kept)
        self._uncommitted: dict[str, ReportAck] = {}
        self._due: dict[str, int] = {}
        """Workers to be told, and up to which number."""

    def incarnation_of(self, worker: str) -> int | None:
        """The latest incarnation of a worker that has ever joined."""
        ack = self._taken.get(worker)
        return None if ack is None else ack[0]

    def join(self, worker: str, incarnation: int, first: int) -> int:
        """A worker presents itself, with the reports from number `first` on; up to which number they are kept."""
        known, taken = self._taken.get(worker, (incarnation, 0))
        if known != incarnation:
            if worker not in self.cut_off:
                self.cut_off.append(worker)
            taken = 0
            self._uncommitted.pop(worker, None)
            self._due.pop(worker, None)
        self._taken[worker] = (incarnation, max(taken, first - 1))
        kept_of, kept = self._kept.get(worker, (incarnation, 0))
        return max(kept if kept_of == incarnation else 0, first - 1)

    def take(self, worker: str, incarnation: int, number: int) -> bool:
        """Whether this report is the next one of a worker that has joined; if so, it counts as taken."""
        known, taken = self._taken[worker]
        if incarnation != known:
            self._dropped["a report of an earlier incarnation"] += 1
            return False
        if number != taken + 1:
            # It has not heard that this one is taken; or the one before was lost on its way, and both will come again.
            self._due[worker] = taken
            self._dropped["a report that came again" if number <= taken else "a report ahead of a lost one"] += 1
            return False
        self._taken[worker] = self._uncommitted[worker] = (incarnation, number)
        self.taken += 1
        return True

    @property
    def uncommitted(self) -> Mapping[str, ReportAck]:
        """What was taken since the last commit, by worker."""
        return self._uncommitted

    def note_committed(self) -> None:
        """What was taken is kept for good."""
        self._kept |= self._uncommitted
        self._due |= {worker: number for worker, (_, number) in self._uncommitted.items()}
        self._uncommitted.clear()

    def acknowledge(self, tell: Callable[[str, int], None]) -> None:
        """Tell each worker whose reports are kept now. Only when nothing is uncommitted."""
        for worker, number in self._due.items():
            tell(worker, number)
        self._due.clear()
