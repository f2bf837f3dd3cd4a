"""Nodes that are revoked, or whose keys are removed, while a run is on: who does that does it in files, which are polled once a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from master.errors import InputError
from master.run.real_nodes.roster import Roster
from master.trust.state import StateDirectory

_Signature = tuple[int, int, int] | None


class Revocations:
    """Sees when nodes of `roster` are trusted no more. Those of simulated nodes, without a roster, are as long as they run."""

    def __init__(self, roster: Roster | None = None, warn: Callable[[str], None] = lambda _: None) -> None:
        """`warn` is called with a sentence where the files can't be read, once for each state of theirs."""
        self._roster = roster
        self._warn = warn
        self._seen: tuple[_Signature, ...] = ()
        self.nodes: set[str] = set()
        """Those that were found to be trusted no more. A new enrolment is for the next run."""

    def poll(self) -> set[str]:
        """The nodes that are trusted no more since the last poll."""
        if self._roster is None:
            return set()
        place = StateDirectory(Path(self._roster.state))
        seen = tuple(_signature(file) for file in (place.allowlist, place.revoked))
        if seen == self._seen:
            return set()
        self._seen = seen
        try:
            new = self._roster.untrusted() - self.nodes
        except InputError as error:
            self._warn(f"{error.message}: nobody can be revoked until it is there again")
            return set()
        self.nodes |= new
        return new


def _signature(file: Path) -> _Signature:
    """Signature that changes whenever the file is replaced; None for no file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
