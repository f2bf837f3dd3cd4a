"""Randomness: tokens and their identifiers can't be foretold."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from master.audit.checks.check import Check
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import NotApplicableError, Site

SIGN_INS = 12
MIN_BITS = 64
"""OWASP asks for this much of a session's identifier; ASVS 5.0 for 128 of a reference token."""
_TIMES = frozenset({"iat", "exp", "nbf", "auth_time"})
_IDENTIFIERS = re.compile(r"^(jti|sid|fam|session|session_?id|token_?id|nonce)$", re.IGNORECASE)

_REPEATED = Rule(
    "randomness/repeated",
    "Several sign-ins have the same identifier",
    Severity.HIGH,
    "Give each session an identifier of its own from the system's generator.",
    ("CWE-330", "OWASP ASVS 5.0 7.2.3"),
)
_FORETOLD = Rule(
    "randomness/sequential",
    "Identifiers of sessions are counted up",
    Severity.HIGH,
    "Take 128 bits from the system's generator.",
    ("CWE-340", "CWE-330", "OWASP ASVS 5.0 11.5.1"),
)
_SHORT = Rule(
    "randomness/too-short",
    "Identifiers of sessions have too few random bits",
    Severity.HIGH,
    "Take 128 bits from the system's generator.",
    ("CWE-331", "CWE-334", "OWASP ASVS 5.0 11.5.1"),
)


class RandomnessCheck(Check):
    """Signs in several times, and compares the tokens: what they claim, or, where they can't be read, themselves."""

    id = "randomness"
    title = "Randomness of tokens and identifiers"
    rules: ClassVar[tuple[Rule, ...]] = (_REPEATED, _FORETOLD, _SHORT)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        kept = site.require_session()
        sessions = [site.new_session(kept.role, kept.account) for _ in range(SIGN_INS)]
        tokens = [session.token for session in sessions if session is not None]
        if len(tokens) < SIGN_INS:
            raise NotApplicableError(f"only {len(tokens)} of {SIGN_INS} further sign-ins were let in")
        for name, values in identifiers(tokens).items():
            rule = judge(values)
            if rule is not None:
                # Tokens themselves are secrets, whole or in part.
                shown = "" if values == tokens else f", among them {', '.join(value[:24] for value in values[:3])}"
                yield rule.found(f"{name} of {SIGN_INS} sign-ins{shown}")
                return


def identifiers(tokens: Sequence[str]) -> dict[str, list[str]]:
    """What is to be random in tokens, by name: identifiers that JSON Web Tokens claim, or the tokens themselves."""
    claims = [_claims(token) for token in tokens]
    if not all(claims):
        return {"the token": list(tokens)}
    names = [name for name in claims[0] if _IDENTIFIERS.match(name) and name not in _TIMES]
    return {f"the claim {name}": [str(claim.get(name, "")) for claim in claims] for name in names}


def judge(values: Sequence[str]) -> Rule | None:
    """The rule that such values break; None where they look random."""
    if len(set(values)) < len(values):
        return _REPEATED
    if _are_counted(values):
        return _FORETOLD
    return _SHORT if estimated_bits(values) < MIN_BITS else None


def estimated_bits(values: Sequence[str]) -> float:
    """How many random bits the values can have at most: of the places where they differ, by the characters that are used there."""
    places = [{value[place] for value in values} for place in range(min(map(len, values)))]
    varied = [characters for characters in places if len(characters) > 1]
    alphabet = len(set().union(*varied))
    # Of few values only some of 64 characters are seen; the least alphabets in use are digits, hexadecimal, and Base64.
    size = next(size for size in (10, 16, 32, 64, 256) if alphabet <= size or size == 256)
    return len(varied) * math.log2(size)


def _are_counted(values: Sequence[str]) -> bool:
    """Whether the values are numbers that grow by less than a guesser tries."""
    base = 10 if all(value.isdecimal() for value in values) else 16
    try:
        numbers = [int(value, base) for value in values]
    except ValueError:
        return False
    return all(0 < later - earlier < 1_000_000 for earlier, later in pairwise(numbers))


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
