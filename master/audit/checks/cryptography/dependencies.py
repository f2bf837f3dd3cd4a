"""Dependencies: what is known of the packages that the target is made of, by pip-audit where that is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from master.audit.budget import BudgetError
from master.audit.checks.check import Check, summarize
from master.audit.client import UnreachableError
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import NotApplicableError, Site

_TIMEOUT_S = 120.0

_KNOWN = Rule(
    "dependencies/known-vulnerability",
    "The target uses packages with known vulnerabilities",
    Severity.HIGH,
    "Raise them to the versions that are named, and let CI look each day.",
    ("CWE-1395", "OWASP ASVS 5.0 15.2.1"),
)


class DependenciesCheck(Check):
    """Gives the target's lock file to pip-audit, which asks the Python Package Index; the target is sent nothing."""

    id = "dependencies"
    title = "Dependency vulnerabilities"
    rules: ClassVar[tuple[Rule, ...]] = (_KNOWN,)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        if site.requirements is None:
            raise NotApplicableError("name the target's lock file with --requirements")
        command = pip_audit_command()
        if command is None:
            raise NotApplicableError("pip-audit is not installed (pip install 'piswarm[audit]')")
        vulnerable, unknown = read_report(self._run(command, site.requirements))
        yield from summarize(_KNOWN, vulnerable)
        if unknown:
            raise UnreachableError(f"pip-audit knows nothing of {len(unknown)} packages, such as {unknown[0]}")

    def _run(self, command: list[str], requirements: Path) -> bytes:
        arguments = [
            "--no-deps",
            "--disable-pip",
            "--format",
            "json",
            "--progress-spinner",
            "off",
            "-r",
            str(requirements),
        ]
        try:
            ended = subprocess.run([*command, *arguments], capture_output=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise BudgetError(f"pip-audit took longer than {_TIMEOUT_S:g} s") from None
        if ended.returncode not in {0, 1}:
            raise UnreachableError(
                f"pip-audit ended with {ended.returncode}: {ended.stderr.decode(errors='replace')[-400:]}"
            )
        return ended.stdout


def pip_audit_command() -> list[str] | None:
    """How pip-audit is called: that of the PATH, or that of this environment."""
    if found := shutil.which("pip-audit"):
        return [found]
    return [sys.executable, "-m", "pip_audit"] if find_spec("pip_audit") is not None else None


def read_report(report: bytes) -> tuple[list[str], list[str]]:
    """Vulnerable packages with what is known of them, and packages of which nothing is. Raises UnreachableError."""
    try:
        packages = json.loads(report)["dependencies"]
        return [_describe(each) for each in packages if each.get("vulns")], [
            str(each["name"]) for each in packages if "skip_reason" in each
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreachableError(f"pip-audit has written no report: {error}") from None


def _describe(package: Any) -> str:
    known = ", ".join(
        f"{each['id']} (fixed in {' or '.join(each.get('fix_versions') or ['no version'])})"
        for each in package["vulns"]
    )
    return f"{package['name']} {package['version']}: {known}"
