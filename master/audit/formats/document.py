"""An audit as one JSON document, schema piswarm/audit/1."""

from __future__ import annotations

import json
from typing import Any

from master.audit.finding import AuditResult, CheckResult, Finding

SCHEMA = "piswarm/audit/1"


def to_json(result: AuditResult) -> bytes:
    """The document."""
    return json.dumps(document(result), indent=2, ensure_ascii=False).encode() + b"\n"


def document(result: AuditResult) -> dict[str, Any]:
    """What JSON encodes."""
    return {
        "schema": SCHEMA,
        "target": result.target,
        "address": result.address,
        "started_at": result.started_at,
        "duration_s": round(result.duration_s, 3),
        "requests": result.requests,
        "pass_rate": result.pass_rate,
        "checks": [_check(check) for check in result.checks],
    }


def _check(check: CheckResult) -> dict[str, Any]:
    return {
        "id": check.check,
        "title": check.title,
        "outcome": check.outcome.value,
        "reason": check.reason,
        "requests": check.requests,
        "duration_s": round(check.duration_s, 3),
        "findings": [_finding(finding) for finding in check.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity.label,
        "evidence": finding.evidence,
        "remedy": rule.remedy,
        "references": list(rule.references),
    }
