"""The thresholds of a run while it is on, judged over its complete seconds: how they stand, and whether one is to end it. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable

from master.judge.seconds.second_facts import SecondFacts
from master.judge.seconds.stored_seconds import StoredSpan
from master.judge.target.stored_windows import restore_windows
from master.judge.target.thresholds import Judge, ThresholdOutcome
from master.scenario.rules import Threshold
from master.store import StoreReader


class LiveRules:
    """The thresholds of a scenario; those with `abort` may end its run."""

    def __init__(self, thresholds: Iterable[Threshold]) -> None:
        self._judge = Judge(thresholds)
        self.broken: ThresholdOutcome | None = None
        """The first with `abort` that broke: it asks for the run to end."""
        self.exceptions = 0
        """In users' code, in the seconds and besides them, as far as they are judged."""

    def add_past(self, second: int, facts: SecondFacts, steady: Container[int]) -> None:
        """Add a second that another controller has judged: it had ended the run if a rule had been broken by it."""
        judged = facts.judged(second, steady)
        if judged is None:
            self.add_exceptions(facts.exceptions)
            return
        self.exceptions += judged.exceptions
        self._judge.add(judged)

    def add_past_span(self, span: StoredSpan, steady: Container[int]) -> None:
        """As `add_past`, of seconds that are thinned; rules with a window are told of them by `restore`."""
        judged = span.facts.judged(span.second, steady)
        if judged is not None:
            self.exceptions += judged.exceptions
            self._judge.add_span(judged, span.span_s)

    def restore(self, store: StoreReader, steady: Container[int]) -> None:
        """Let the rules with a window go on behind the seconds that are thinned."""
        restore_windows(store, self._judge, steady)

    def add(self, second: int, facts: SecondFacts, steady: Container[int]) -> None:
        """Add the next complete second, and see whether a rule is broken now."""
        self.add_past(second, facts, steady)
        if second in steady:
            self.broken = self.broken or self._judge.broken_abort()

    def add_exceptions(self, count: int) -> None:
        """Add exceptions of no judged second: they count for rules without a window."""
        self.exceptions += count
        self._judge.add_unjudged(count)

    @property
    def judged_s(self) -> int:
        """How many seconds have been judged."""
        return self._judge.seconds

    def outcomes(self) -> list[ThresholdOutcome]:
        """How each threshold stands by now, in the scenario's order."""
        return self._judge.outcomes()
