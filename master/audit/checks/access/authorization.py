"""Authorization: each role does what is described for it alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from master.audit.checks.check import Check, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import NotApplicableError, Site

_REFUSED = frozenset({401, 403, 404, 405, 429})

_ROLE = Rule(
    "authorization/role-not-checked",
    "An operation is open to a role that it is not described for",
    Severity.HIGH,
    "Check the caller's role where the operation is declared, before its body is read.",
    ("CWE-862", "CWE-285", "OWASP ASVS 5.0 8.2.1"),
)


class AuthorizationCheck(Check):
    """Calls each operation that names its roles with an account of every other role."""

    id = "authorization"
    title = "Authorization (RBAC)"
    rules: ClassVar[tuple[Rule, ...]] = (_ROLE,)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        limited = [operation for operation in site.require_operations() if operation.roles]
        if not limited:
            raise NotApplicableError("no operation names its roles (x-roles in the OpenAPI description)")
        site.require_session()
        asked, evidence = 0, []
        for operation in limited:
            for role, session in site.sessions.items():
                if role in operation.roles:
                    continue
                asked += 1
                # Without a body, and for what does not exist: one who is let through changes nothing.
                answer = site.ask(operation, session=session)
                if answer.status not in _REFUSED:
                    evidence.append(f"{answer} as {role}; described for {', '.join(operation.roles)}")
        if not asked:
            raise NotApplicableError("no account is signed in that lacks a role: name one with --account ROLE=NAME")
        yield from summarize(_ROLE, evidence)
