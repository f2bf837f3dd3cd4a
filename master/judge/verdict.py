"""The one word that a run comes to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from master.errors import ExitCode
from master.judge.generator.validity import ValidityOutcome
from master.judge.target.thresholds import ThresholdOutcome


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
    """ABORTED when there is a reason in `aborted`; else INVALID, FAIL or PASS.

    An unfit generator comes before a broken threshold: what it measured is no evidence against the target. One that nothing
    is known of is not known to be fit. Checks that say only what latencies are worth come after a threshold that was seen to
    be broken by anything else: the target failed, however long that took. What is unknown of a threshold is no PASS either.
    """
    if aborted:
        return Verdict.ABORTED
    thresholds, validity = list(thresholds), list(validity)
    if all(row.ok is None for row in validity) or any(row.unfit for row in validity if not row.yields_to_fail):
        return Verdict.INVALID
    if any(row.broken and not row.on_latency for row in thresholds):
        return Verdict.FAIL
    if any(row.unfit for row in validity):
        return Verdict.INVALID
    if any(row.ok is False for row in thresholds):
        return Verdict.FAIL
    return Verdict.INVALID if any(row.ok is None for row in thresholds) else Verdict.PASS
