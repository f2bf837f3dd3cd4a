"""User classes that have run, those that have made a request, and the exceptions that their code let through. Pure."""

from __future__ import annotations

from collections import Counter

from worker.printable import printable
from worker.wire.reports import Report

MAX_KINDS = 100
"""Kinds of exceptions that are counted one by one."""


class UserClasses:
    """What the workers' reports tell of the classes of their users."""

    def __init__(self) -> None:
        self._run: set[str] = set()
        self._requesting: set[str] = set()
        self.exceptions: Counter[tuple[str, str]] = Counter()
        """By user class and type of exception; further ones than MAX_KINDS together, by no name."""

    def note(self, report: Report) -> None:
        """Take in one report."""
        self._run.update(printable(name) for name, count in report.users.items() if count)
        self._requesting.update(map(printable, report.requesting))
        for row in report.exceptions:
            kind = (printable(row.user_class), printable(row.type))
            known = kind in self.exceptions or len(self.exceptions) < MAX_KINDS
            self.exceptions[kind if known else ("", "")] += row.count

    @property
    def silent(self) -> list[str]:
        """Classes whose users ran and never made a request; none while there are requests whose users are not known."""
        return [] if "" in self._requesting else sorted(self._run - self._requesting)
