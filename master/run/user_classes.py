"""Which user classes have run, and which of them have made a request. Pure."""

from __future__ import annotations

from worker.printable import printable
from worker.wire import Report


class UserClasses:
    """What the workers' reports tell of the classes of their users."""

    def __init__(self) -> None:
        self._run: set[str] = set()
        self._requesting: set[str] = set()

    def note(self, report: Report) -> None:
        """Take in one report."""
        self._run.update(printable(name) for name, count in report.users.items() if count)
        self._requesting.update(map(printable, report.requesting))

    @property
    def silent(self) -> list[str]:
        """Classes whose users ran and never made a request; none while there are requests whose users are not known."""
        return [] if "" in self._requesting else sorted(self._run - self._requesting)
