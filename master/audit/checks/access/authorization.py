"""Authorization: each role does what is described for it alone, and each account reads what is its own alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from master.audit.checks.access.foreign_objects import foreign_reads
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
_OBJECT = Rule(
    "authorization/object-of-another-account",
    "An account reads what is another's",
    Severity.HIGH,
    "Look for whose an object is in the query that finds it; answer 404 as for one that is not there.",
    ("CWE-639", "CWE-284", "OWASP ASVS 5.0 8.2.2"),
)


class AuthorizationCheck(Check):
    """Calls each operation that names its roles with an account of every other role, and reads as one account what is another's."""

    id = "authorization"
    title = "Authorization (RBAC)"
    rules: ClassVar[tuple[Rule, ...]] = (_ROLE, _OBJECT)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        site.require_operations()
        site.require_session()
        lacking = []
        for rule, look in ((_ROLE, self._roles), (_OBJECT, foreign_reads)):
            try:
                yield from summarize(rule, list(look(site)))
            except NotApplicableError as error:
                lacking.append(str(error))
        if len(lacking) == len(self.rules):
            raise NotApplicableError("; ".join(lacking))
        site.remarks.extend(lacking)

    def _roles(self, site: Site) -> list[str]:
        limited = [operation for operation in site.operations if operation.roles]
        if not limited:
            raise NotApplicableError("no operation names its roles (x-roles in the OpenAPI description)")
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
        return evidence
