"""Rate limiting: passwords can't be guessed one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from master.audit.checks.check import Check
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import Site, invented_name

MAX_GUESSES = 30
"""ASVS has no number. NIST SP 800-63B allows 100 in all; what stops no 30 at once will stop none of a list."""

_GUESSES = Rule(
    "rate-limiting/sign-in",
    "Passwords can be guessed without limit",
    Severity.HIGH,
    "Refuse sign-ins of a name for a while after some failures (429), whether there is such an account or not.",
    ("CWE-307", "CWE-799", "OWASP ASVS 5.0 6.3.1"),
)
_RETRY_AFTER = Rule(
    "rate-limiting/retry-after",
    "A refusal by rate does not say when to come back",
    Severity.LOW,
    "Send Retry-After with 429.",
    ("CWE-799", "RFC 6585 section 4"),
)


class RateLimitingCheck(Check):
    """Guesses the password of an account that is not there, so that nobody is locked out."""

    id = "rate-limiting"
    title = "Rate limiting"
    rules: ClassVar[tuple[Rule, ...]] = (_GUESSES, _RETRY_AFTER)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        site.require_sign_in()
        name = invented_name()
        for number in range(MAX_GUESSES):
            answer = site.try_sign_in(name, f"wrong-{number}", obey_429=False)
            if answer.status == 429:
                if not answer.header("retry-after"):
                    yield _RETRY_AFTER.found(f"{answer} at guess {number + 1}, without Retry-After")
                return
        yield _GUESSES.found(f"{answer} at guess {MAX_GUESSES} of one name")
