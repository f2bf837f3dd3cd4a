"""Reports of each worker that the controller has accepted, that run.db keeps, and that are acknowledged. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

ReportAck = tuple[int, int]
"""Of a worker: its incarnation (see worker.wire.messages.Ready), and the number of its last report that is meant."""


class ReportAcks:
    """Reports are accepted in order of number, without a gap, of each worker's latest incarnation only.

    A worker forgets what is acknowledged, so only what is committed is.
    """

    def __init__(self, kept: Mapping[str, ReportAck], dropped: Counter[str]) -> None:
        """`kept` is what run.db has, by worker. What is not accepted is counted in `dropped`, by reason."""
        self.unreported: list[str] = []
        """Workers that ended without a final report."""
        self.accepted = 0
        """Reports accepted so far."""
        self._dropped = dropped
        self._kept = dict(kept)
        self._accepted = dict(kept)
        self._uncommitted: dict[str, ReportAck] = {}
        self._due: dict[str, int] = {}
        """Acknowledgements to send: workers, and up to which number."""

    def incarnation_of(self, worker: str) -> int | None:
        """The latest incarnation of a worker that has ever joined."""
        ack = self._accepted.get(worker)
        return None if ack is None else ack[0]

    def join(self, worker: str, incarnation: int, first: int) -> int:
        """A worker joins, with the reports from number `first` on; up to which number they are kept."""
        new = self.incarnation_of(worker) != incarnation
        known, accepted = self._accepted.get(worker, (incarnation, 0))
        if known != incarnation:
            if worker not in self.unreported:
                self.unreported.append(worker)
            accepted = 0
            self._uncommitted.pop(worker, None)
            self._due.pop(worker, None)
        self._accepted[worker] = (incarnation, max(accepted, first - 1))
        if new:  # stored too: should another incarnation join another controller, what this one has measured is missing
            self._uncommitted[worker] = self._accepted[worker]
        kept_of, kept = self._kept.get(worker, (incarnation, 0))
        return max(kept if kept_of == incarnation else 0, first - 1)

    def accept(self, worker: str, incarnation: int, number: int) -> bool:
        """Whether this report is the next one of a worker that has joined; if so, it counts as accepted."""
        known, accepted = self._accepted[worker]
        if incarnation != known:
            self._dropped["a report of an earlier incarnation"] += 1
            return False
        if number != accepted + 1:
            # The acknowledgement was lost; or the one before was lost on its way, and both will come again.
            self._due[worker] = accepted
            self._dropped["a report that came again" if number <= accepted else "a report ahead of a lost one"] += 1
            return False
        self._accepted[worker] = self._uncommitted[worker] = (incarnation, number)
        self.accepted += 1
        return True

    @property
    def uncommitted(self) -> Mapping[str, ReportAck]:
        """What was accepted, and who joined, since the last commit, by worker."""
        return self._uncommitted

    def note_committed(self) -> None:
        """What was accepted is stored for good."""
        self._kept |= self._uncommitted
        self._due |= {worker: number for worker, (_, number) in self._uncommitted.items() if number}
        self._uncommitted.clear()

    def acknowledge(self, send: Callable[[str, int], None]) -> None:
        """Acknowledge to each worker the reports that are stored now. Only when nothing is uncommitted."""
        for worker, number in self._due.items():
            send(worker, number)
        self._due.clear()
