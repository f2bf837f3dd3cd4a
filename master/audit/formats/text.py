"""An audit as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from master.audit.finding import AuditResult, CheckResult, Outcome


def check_line(number: int, count: int, check: CheckResult) -> str:
    """One line of progress."""
    worst = max((finding.rule.severity for finding in check.findings), default=None)
    said = "" if worst is None else f", {len(check.findings)} found, worst {worst.label}"
    reason = f" ({check.reason})" if check.reason else ""
    return f"[{number:2}/{count}] {check.title}: {check.outcome}{said}{reason}, {check.requests} requests"


def summary_lines(result: AuditResult) -> Iterator[str]:
    """Findings, the worst first, and the pass rate."""
    for finding in result.findings:
        rule = finding.rule
        yield f"{rule.severity.label.upper()} {rule.id}: {rule.title}"
        yield from (f"    {line}" for line in finding.evidence.splitlines())
        yield f"    Remedy: {rule.remedy} ({', '.join(rule.references)})"
    rate = "" if result.pass_rate is None else f" ({result.pass_rate:.0%})"
    not_looked = len(result.checks) - result.ended
    yield (
        f"{result.target}: {len(result.findings)} findings; {result.count(Outcome.PASSED)} of {result.ended} checks passed{rate}"
        f"{f', {not_looked} not run or not ended' if not_looked else ''}; {result.requests} requests in {result.duration_s:.1f} s"
    )
