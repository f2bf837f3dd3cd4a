"""Rate limiting: passwords can't be guessed one after another, neither many for one name nor one for many names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from master.audit.answer import Answer
from master.audit.checks.check import Check
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import Site, invented_name

_REFUSED = 429
MAX_GUESSES = 30
"""ASVS has no number. NIST SP 800-63B allows 100 in all; what stops no 30 at once will stop none of a list."""

MAX_SPRAYED_NAMES = 100
"""So many names with one wrong password, from one address, without pause: no people behind one address."""

_GUESSES = Rule(
    "rate-limiting/sign-in",
    "Passwords can be guessed without limit",
    Severity.HIGH,
    "Refuse sign-ins of a name for a while after some failures (429), whether there is such an account or not.",
    ("CWE-307", "CWE-799", "OWASP ASVS 5.0 6.3.1"),
)
_SPRAYING = Rule(
    "rate-limiting/password-spraying",
    "One password can be tried with many names without limit",
    Severity.MEDIUM,
    "Refuse sign-ins from an address for a while after some dozens of failures (429), whatever their names.",
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
    """Guesses passwords of accounts that are not there, so that nobody is locked out but the audit itself."""

    id = "rate-limiting"
    title = "Rate limiting"
    rules: ClassVar[tuple[Rule, ...]] = (_GUESSES, _SPRAYING, _RETRY_AFTER)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        site.require_sign_in()
        name, password = invented_name(), invented_name()
        guesses = [(name, f"wrong-{number}") for number in range(MAX_GUESSES)]
        sprayed = [(invented_name(), password) for _ in range(MAX_SPRAYED_NAMES)]
        refusals = []
        for rule, tried, what in (
            (_GUESSES, guesses, f"guess {MAX_GUESSES} of one name"),
            (_SPRAYING, sprayed, f"name {MAX_SPRAYED_NAMES} with one password"),
        ):
            answer = self._refusal(site, tried)
            if answer.status == _REFUSED:
                refusals.append(answer)
            else:
                yield rule.found(f"{answer} at {what}")
        for answer in refusals:
            if not answer.header("retry-after"):
                yield _RETRY_AFTER.found(f"{answer}, without Retry-After")
                return

    def _refusal(self, site: Site, tried: Sequence[tuple[str, str]]) -> Answer:
        """The first answer that refuses by rate, or else the last one."""
        for name, password in tried:
            answer = site.try_sign_in(name, password, obey_429=False)
            if answer.status == _REFUSED:
                break
        return answer
