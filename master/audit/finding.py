"""What an audit says: rules, findings, and what became of each check. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How bad a finding is, least first."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """As it is written in reports and on the command line."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a check looks for. `references` name CWE and OWASP ASVS 5.0 sections."""

    id: str
    title: str
    severity: Severity
    remedy: str
    references: tuple[str, ...]

    def found(self, evidence: str) -> Finding:
        """That the target breaks the rule, and what shows it."""
        return Finding(self, evidence)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that the target breaks. `evidence` is text of the target's in part: hostile until it is escaped."""

    rule: Rule
    evidence: str


class Outcome(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    """It has findings."""
    NOT_RUN = "not run"
    """It does not apply to this target, or lacks what only the operator can give."""
    INCOMPLETE = "incomplete"
    """It was begun and could not be ended: the limits of the audit were reached, or the target did not answer."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What became of one check. `reason` says why it was not run or not ended, or what it did not look at."""

    check: str
    title: str
    outcome: Outcome
    findings: tuple[Finding, ...]
    requests: int
    duration_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """An audit that has ended."""

    target: str
    address: str
    started_at: str
    """ISO 8601 with offset."""
    duration_s: float
    requests: int
    checks: tuple[CheckResult, ...]
    rules: tuple[Rule, ...]
    """Of all checks that were asked for."""

    @property
    def findings(self) -> list[Finding]:
        """All findings, the worst first."""
        found = [finding for check in self.checks for finding in check.findings]
        return sorted(found, key=lambda finding: (-finding.rule.severity, finding.rule.id))

    def count(self, outcome: Outcome) -> int:
        """How many checks came to this outcome."""
        return sum(check.outcome is outcome for check in self.checks)

    @property
    def ended(self) -> int:
        """How many checks came to an end."""
        return self.count(Outcome.PASSED) + self.count(Outcome.FAILED)

    @property
    def pass_rate(self) -> float | None:
        """The share of checks without findings among those that came to an end; None where none did."""
        return self.count(Outcome.PASSED) / self.ended if self.ended else None

    def fails(self, fail_on: Severity) -> bool:
        """Whether a finding is as bad as `fail_on` or worse."""
        return is_failing(self.findings, fail_on)

    @property
    def incomplete(self) -> list[CheckResult]:
        """Checks that were begun and did not come to an end."""
        return [check for check in self.checks if check.outcome is Outcome.INCOMPLETE]


def is_failing(findings: Sequence[Finding], fail_on: Severity) -> bool:
    """Whether one of `findings` is as bad as `fail_on` or worse."""
    return any(finding.rule.severity >= fail_on for finding in findings)
