"""Audit logging: what matters is noted, and nothing secret is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar
from urllib.parse import urlencode

from master.audit.checks.check import Check
from master.audit.finding import Finding, Rule, Severity
from master.audit.openapi import Operation
from master.audit.site import NotApplicableError, Site, invented_name

_PATH = re.compile(r"/(audit|audit-?logs?|security-?events)/?$", re.IGNORECASE)
_ACCOUNT_FILTERS = ("account", "user", "username", "actor")

_FAILURE = Rule(
    "audit-logging/failed-sign-in",
    "A failed sign-in is not in the audit log",
    Severity.MEDIUM,
    "Note each failed sign-in with name, time and outcome, before it is answered.",
    ("CWE-778", "OWASP ASVS 5.0 16.3.1"),
)
_DENIAL = Rule(
    "audit-logging/denied-access",
    "A request that was forbidden is not in the audit log",
    Severity.MEDIUM,
    "Note each refusal by role with account, operation and time.",
    ("CWE-778", "OWASP ASVS 5.0 16.3.2"),
)
_SECRET = Rule(
    "audit-logging/secret-in-log",
    "The audit log has passwords that were sent",
    Severity.HIGH,
    "Note who and what, never the body of a sign-in.",
    ("CWE-532", "OWASP ASVS 5.0 16.2.5"),
)


class AuditLoggingCheck(Check):
    """Does what is to be noted, then reads the log as a role that may."""

    id = "audit-logging"
    title = "Audit logging"
    rules: ClassVar[tuple[Rule, ...]] = (_FAILURE, _DENIAL, _SECRET)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        log = next((each for each in site.require_operations() if each.is_plain_read and _PATH.search(each.path)), None)
        if log is None:
            raise NotApplicableError("the target describes no audit log: look at it by other means")
        if site.session_for(log) is None:
            raise NotApplicableError("no account is signed in that may read the audit log")
        name, password = invented_name(), invented_name()
        failed = site.try_sign_in(name, password)
        text = self._entries(site, log, name)
        if name not in text:
            yield _FAILURE.found(f"{failed}; its name is not in {log.name}")
        if password in text:
            yield _SECRET.found(f"{failed}; its password is in {log.name}")
        yield from self._denial(site, log)

    def _denial(self, site: Site, log: Operation) -> Iterator[Finding]:
        for role, session in site.sessions.items():
            if role not in log.roles and log.roles:
                denied = site.ask(log, session=session)
                if denied.status == 403 and not re.search(r"\b403\b", self._entries(site, log, session.account)):
                    yield _DENIAL.found(f"{denied} as {role}; not in {log.name}")
                return

    def _entries(self, site: Site, log: Operation, account: str) -> str:
        names = {parameter.name for parameter in log.parameters if parameter.place == "query"}
        name = next((each for each in _ACCOUNT_FILTERS if each in names), None)
        query = "" if name is None else urlencode({name: account})
        return site.ask(log, session=site.session_for(log), query=query).text
