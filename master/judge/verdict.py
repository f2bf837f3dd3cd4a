"""The one word that a run comes to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from master.errors import ExitCode
from master.judge.thresholds import ThresholdOutcome
from master.judge.validity import ValidityOutcome


class Verdict(StrEnum):
    """What became of a run; written to result.json as it is."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    INVALID = "INVALID"
    ABORTED = "ABORTED"

    @property
    def exit_code(self) -> ExitCode:
        """The command's exit status."""
        return ExitCode[self.name]


def decide(
    thresholds: Iterable[ThresholdOutcome], validity: Iterable[ValidityOutcome], aborted: str | None = None
) -> Verdict:
    """ABORTED when there is a reason in `aborted`; else INVALID, FAIL or PASS, in that order of precedence.

    An unfit generator comes before a broken threshold: what it measured is no evidence against the target. One that nothing
    is known of is not known to be fit.
    """
    if aborted:
        return Verdict.ABORTED
    checks = [outcome.ok for outcome in validity if outcome.ok is not None]
    if not checks or not all(checks):
        return Verdict.INVALID
    return Verdict.PASS if all(outcome.ok for outcome in thresholds) else Verdict.FAIL
