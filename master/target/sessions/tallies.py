"""Sums over sessions, kept up to date as sessions change, so that statistics cost the same however many there are."""

from __future__ import annotations

from dataclasses import dataclass, field

from master.target.sessions.states import State


@dataclass(slots=True)
class Tally:
    """Sums over some sessions. Bytes count what was recorded, and what it takes in the store; `processing_s` is over `processed`."""

    by_state: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    """Of the kept ones."""
    sessions: int = 0
    chunks: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0
    processed: int = 0
    processing_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of a session adds to the sums; negative where it takes off. A session comes from or goes to state None."""

    old: State | None = None
    new: State | None = None
    sessions: int = 1
    chunks: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0
    processed: int = 0
    processing_s: float = 0.0


class SessionTallies:
    """The sums of all kept sessions, of each owner's, and of those that were pruned."""

    def __init__(self) -> None:
        self.kept = Tally()
        self.pruned = Tally()
        self._by_owner: dict[str, Tally] = {}

    def of(self, owner: str) -> Tally:
        """The sums of one owner's kept sessions."""
        return self._by_owner.get(owner) or Tally()

    def all(self) -> Tally:
        """The sums of all sessions that there have been; their states of the kept ones."""
        total = Tally(self.kept.by_state)
        for part in (self.kept, self.pruned):
            _add(total, part, part.sessions)
        return total

    def change(self, owner: str, change: Change) -> None:
        """Take a change of one session, or of several alike, into account."""
        tally = self._by_owner.get(owner)
        if tally is None:
            tally = self._by_owner[owner] = Tally()
        _apply(self.kept, change)
        _apply(tally, change)
        if not tally.sessions:
            del self._by_owner[owner]  # an owner without sessions takes no memory

    def prune(self, owner: str, gone: Change) -> None:
        """Sessions in the state `gone.old` went to make room: their sums stay."""
        self.add_pruned(gone)
        taken = (-gone.chunks, -gone.raw_bytes, -gone.stored_bytes, -gone.processed, -gone.processing_s)
        self.change(owner, Change(gone.old, None, gone.sessions, *taken))

    def add_pruned(self, gone: Change) -> None:
        """Add to the sums of those that went."""
        _add(self.pruned, gone, gone.sessions)


def _apply(tally: Tally, change: Change) -> None:
    came = 0
    if change.old is not change.new:
        if change.old is not None:
            tally.by_state[change.old] -= change.sessions
            came -= change.sessions
        if change.new is not None:
            tally.by_state[change.new] += change.sessions
            came += change.sessions
    _add(tally, change, came)


def _add(tally: Tally, sums: Change | Tally, sessions: int) -> None:
    tally.sessions += sessions
    tally.chunks += sums.chunks
    tally.raw_bytes += sums.raw_bytes
    tally.stored_bytes += sums.stored_bytes
    tally.processed += sums.processed
    tally.processing_s += sums.processing_s
