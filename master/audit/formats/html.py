"""An audit as one HTML file without scripts, readable offline."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from master.audit.finding import AuditResult, Severity


def to_html(result: AuditResult) -> bytes:
    """The page. All that the target said is escaped."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    found = Counter(finding.rule.severity for finding in result.findings)
    severities = [(severity.label, found[severity]) for severity in sorted(Severity, reverse=True)]
    return environment.get_template("audit.html").render(result=result, severities=severities).encode()
