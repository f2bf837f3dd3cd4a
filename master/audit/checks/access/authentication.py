"""Authentication: nothing that needs a token is answered without a good one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import ClassVar

from master.audit.checks.check import Check, first, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.openapi import Operation
from master.audit.sign_in import Session
from master.audit.site import Site

_OPEN = Rule(
    "authentication/no-token",
    "Operations that need a token are answered without one",
    Severity.CRITICAL,
    "Check the token before anything else, in one place that all operations go through.",
    ("CWE-306", "OWASP ASVS 5.0 8.3.1"),
)
_FORGED = Rule(
    "authentication/forged-token",
    "A token that the target has not signed is accepted",
    Severity.CRITICAL,
    "Verify the signature with one fixed algorithm; refuse `none`.",
    ("CWE-347", "OWASP ASVS 5.0 9.1.1", "OWASP ASVS 5.0 9.1.2"),
)
_WRONG_USE = Rule(
    "authentication/refresh-token-as-access-token",
    "A refresh token is accepted in place of an access token",
    Severity.HIGH,
    "Name the use of a token in it, and check the name.",
    ("CWE-287", "OWASP ASVS 5.0 9.2.2"),
)
_SIGNED_OUT = Rule(
    "authentication/token-after-sign-out",
    "A token is good after its session was signed out",
    Severity.MEDIUM,
    "Keep revoked tokens, or sessions, until they expire, and look there on each request.",
    ("CWE-613", "OWASP ASVS 5.0 7.4.1"),
)


class AuthenticationCheck(Check):
    """Calls operations without a token, and with tokens that are none."""

    id = "authentication"
    title = "Authentication"
    rules: ClassVar[tuple[Rule, ...]] = (_OPEN, _FORGED, _WRONG_USE, _SIGNED_OUT)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        secured = [operation for operation in site.require_operations() if operation.secured]
        answers = [site.ask(operation) for operation in secured]
        yield from summarize(_OPEN, [str(answer) for answer in answers if answer.is_success])
        if not site.sessions:
            return
        session, read = site.require_session(), site.private_read()
        yield from first(_FORGED, self._forged(site, session, read))
        if session.refresh_token:
            answer = site.ask(read, headers={"Authorization": f"Bearer {session.refresh_token}"})
            if answer.is_success:
                yield _WRONG_USE.found(f"{answer} with a refresh token")
        yield from self._after_sign_out(site, read)

    def _forged(self, site: Site, session: Session, read: Operation) -> Iterator[str]:
        for what, token in forged_tokens(session.token):
            answer = site.ask(read, headers={"Authorization": f"Bearer {token}"})
            if answer.is_success:
                yield f"{answer} with {what}"

    def _after_sign_out(self, site: Site, read: Operation) -> Iterator[Finding]:
        kept, sign_out = site.require_session(), site.sign_out
        session = site.new_session(kept.role, kept.account) if sign_out is not None else None
        if sign_out is None or session is None or not site.ask(sign_out, session=session).is_success:
            return
        answer = site.ask(read, session=session)
        if answer.is_success:
            yield _SIGNED_OUT.found(f"{sign_out.name}, then {answer} with the same token")


def forged_tokens(token: str) -> Iterator[tuple[str, str]]:
    """What is made of a good token without its key: what it is, and it."""
    yield "an invented token", "piswarm-audit-no-such-token"
    parts = token.split(".")
    if len(parts) != 3:
        return
    head, claims, signature = parts
    # The middle of the signature: its last character has bits that say nothing.
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    yield (
        "one character of the signature changed",
        f"{head}.{claims}.{signature[:middle]}{other}{signature[middle + 1 :]}",
    )
    yield "no signature", f"{head}.{claims}."
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    yield "the algorithm `none`", f"{unsigned}.{claims}."
