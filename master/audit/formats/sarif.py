"""An audit as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

import json
from typing import Any

from master.audit.finding import AuditResult, Finding, Outcome, Rule, Severity
from worker import __version__

_LEVELS = {
    Severity.INFO: "note",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
# GitHub's bands: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
_SCORES = {
    Severity.INFO: "0.0",
    Severity.LOW: "2.0",
    Severity.MEDIUM: "5.5",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}


def to_sarif(result: AuditResult) -> bytes:
    """The document."""
    indexes = {rule.id: number for number, rule in enumerate(result.rules)}
    notifications = [
        {
            "level": "error" if check.outcome is Outcome.INCOMPLETE else "note",
            "message": {"text": f"{check.check}: {check.outcome}: {check.reason}"},
        }
        for check in result.checks
        if check.reason
    ]
    run = {
        "tool": {
            "driver": {
                "name": "piswarm audit",
                "version": __version__,
                "rules": [_rule(rule) for rule in result.rules],
            }
        },
        "invocations": [
            {"executionSuccessful": not result.incomplete, "toolExecutionNotifications": notifications},
        ],
        "results": [_result(finding, indexes[finding.rule.id], result.target) for finding in result.findings],
    }
    content = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "help": {"text": f"{rule.remedy}\n{', '.join(rule.references)}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": ["security", *rule.references], "security-severity": _SCORES[rule.severity]},
    }


def _result(finding: Finding, index: int, target: str) -> dict[str, Any]:
    rule = finding.rule
    return {
        "ruleId": rule.id,
        "ruleIndex": index,
        "level": _LEVELS[rule.severity],
        "message": {"text": f"{rule.title}\n{finding.evidence}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": target}}}],
        "partialFingerprints": {"rule/v1": rule.id},
    }
