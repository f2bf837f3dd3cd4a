"""An audit as JUnit XML: a test case for each check."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

from master.audit.finding import AuditResult, CheckResult, Outcome, Severity, is_failing

# XML 1.0, production 2: everything else can't be in a document, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(result: AuditResult, fail_on: Severity) -> bytes:
    """The document. A check fails by a finding as bad as `fail_on`; lesser ones are in its output."""
    failed = sum(is_failing(check.findings, fail_on) for check in result.checks)
    skipped = sum(check.outcome is Outcome.NOT_RUN for check in result.checks)
    counts = {
        "tests": str(len(result.checks)),
        "failures": str(failed),
        "errors": str(len(result.incomplete)),
        "skipped": str(skipped),
        "time": f"{result.duration_s:.3f}",
    }
    root = ET.Element("testsuites", {"name": "piswarm audit", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": "audit", "timestamp": result.started_at, **counts})
    for check in result.checks:
        suite.append(_case(check, fail_on))
    ET.indent(root)
    content = io.BytesIO()
    ET.ElementTree(root).write(content, encoding="utf-8", xml_declaration=True)
    return content.getvalue()


def _case(check: CheckResult, fail_on: Severity) -> ET.Element:
    case = ET.Element("testcase", {"name": check.check, "classname": "audit", "time": f"{check.duration_s:.3f}"})
    text = _legal(
        "\n\n".join(
            f"{finding.rule.severity.label}: {finding.rule.id}: {finding.rule.title}\n{finding.evidence}\n"
            f"Remedy: {finding.rule.remedy}\n{', '.join(finding.rule.references)}"
            for finding in check.findings
        )
    )
    if is_failing(check.findings, fail_on):
        ET.SubElement(case, "failure", {"message": f"{len(check.findings)} findings"}).text = text
    elif text:
        ET.SubElement(case, "system-out").text = text
    if check.outcome is Outcome.NOT_RUN:
        ET.SubElement(case, "skipped", {"message": _legal(check.reason)})
    elif check.outcome is Outcome.INCOMPLETE:
        ET.SubElement(case, "error", {"message": _legal(check.reason)})
    return case


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
