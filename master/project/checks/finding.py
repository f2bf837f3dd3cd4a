"""One finding on a locustfile: something of Locust's that piswarm does not do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from worker.printable import printable

MEND = "Mend the locustfile."
"""The hint of what is wrong with its code."""


class Severity(IntEnum):
    """Consequence of a finding for the run."""

    WARNED = 0
    """Harmless: it is merely not used, and said so."""
    REFUSED = 1
    """Without it the load would be another one, or the verdict undeserved: nothing is started."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is not done, the `remedy`, and the place in the source where it is known."""

    severity: Severity
    what: str
    remedy: str
    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        """One printable line, with its place."""
        where = "" if self.file is None else f"{self.file}: " if self.line is None else f"{self.file}:{self.line}: "
        return printable(f"{where}{self.what}. {self.remedy}")


def refused(what: str, remedy: str, file: Path | None = None, line: int | None = None) -> Finding:
    """A finding that keeps the run from starting."""
    return Finding(Severity.REFUSED, what, remedy, file, line)


def warned(what: str, remedy: str, file: Path | None = None, line: int | None = None) -> Finding:
    """A finding that is shown as a warning."""
    return Finding(Severity.WARNED, what, remedy, file, line)
