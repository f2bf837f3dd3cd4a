"""What every check is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from master.audit.finding import Finding, Rule
from master.audit.site import Site

_MAX_SHOWN = 5


class Check(ABC):
    """Looks for one kind of weakness. It leaves the target as it was, but for sign-ins and what these leave in logs."""

    id: ClassVar[str]
    title: ClassVar[str]
    rules: ClassVar[tuple[Rule, ...]]

    @abstractmethod
    def run(self, site: Site) -> Iterator[Finding]:
        """What is found, at most one finding a rule. Raises NotApplicableError, BudgetError and UnreachableError."""


def summarize(rule: Rule, evidence: Sequence[str]) -> Iterator[Finding]:
    """One finding with the first pieces of evidence and the count of all; none without evidence."""
    if evidence:
        more = f"\nand {len(evidence) - _MAX_SHOWN} more" if len(evidence) > _MAX_SHOWN else ""
        yield rule.found("\n".join(evidence[:_MAX_SHOWN]) + more)


def first(rule: Rule, evidence: Iterable[str]) -> Iterator[Finding]:
    """One finding with the first piece of evidence; what comes after it is not looked for."""
    for text in evidence:
        yield rule.found(text)
        return
