"""Hashing: passwords' hashes stay inside, and tokens are signed with a key that nobody guesses."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from typing import ClassVar

from master.audit.checks.check import Check, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import Site

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
KNOWN_KEYS = (
    *(
        "",
        "secret",
        "password",
        "changeme",
        "change-me",
        "change_me",
        "test",
        "dev",
        "development",
        "jwt",
        "key",
        "admin",
    ),
    *("your-256-bit-secret", "your-secret-key", "your_secret_key", "secretkey", "secret-key", "secret_key", "mysecret"),
    *("my-secret", "supersecret", "super-secret", "super-secret-key", "jwt-secret", "jwt_secret", "qwerty", "123456"),
    *("a-string-secret-at-least-256-bits-long", "default", "example", "0" * 32, "a" * 32, "piswarm", "keyboard cat"),
)
"""Keys of examples and of what is never changed."""

_HASH = re.compile(
    r"\$argon2(?:i|d|id)\$v=|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}|\$(?:5|6)\$[^$\"\s]{1,100}\$[./A-Za-z0-9]{20,}|\$pbkdf2"
    r"|pbkdf2_sha\d{1,3}\$\d{1,9}\$|\"(?:password_?hash|passwd_?hash|pwd_?hash)\"\s{0,5}:\s{0,5}\"[^\"]",
    re.IGNORECASE,
)

_KEY = Rule(
    "hashing/guessable-key",
    "Tokens are signed with a key that is easily guessed",
    Severity.CRITICAL,
    "Make the key of 32 random bytes, and keep it out of code and examples.",
    ("CWE-321", "CWE-1391", "OWASP ASVS 5.0 11.2.3"),
)
_SHOWN = Rule(
    "hashing/hash-in-answer",
    "Answers have hashes of passwords",
    Severity.HIGH,
    "Never answer with the hash of a password, not even to administrators.",
    ("CWE-200", "CWE-916", "OWASP ASVS 5.0 14.2.6"),
)


class HashingCheck(Check):
    """Tries keys that are well known on a token, on this machine; and looks for hashes in answers.

    How the target keeps its passwords can't be seen from outside.
    """

    id = "hashing"
    title = "Hashing"
    rules: ClassVar[tuple[Rule, ...]] = (_KEY, _SHOWN)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        session = site.require_session()
        key = guess_key(session.token)
        if key is not None:
            yield _KEY.found(f"the token of {session.account} is signed with the well-known key {key!r}")
        evidence = [
            f"{read.answer} has a hash in {found.group()[:20]}…"
            for read in site.reads()
            if (found := _HASH.search(read.answer.text))
        ]
        yield from summarize(_SHOWN, evidence)


def guess_key(token: str) -> str | None:
    """The key of KNOWN_KEYS that a JSON Web Token is signed with; None for any other token."""
    try:
        head, claims, signature = token.split(".")
        algorithm = json.loads(_decoded(head))["alg"]
        digest, signed = _DIGESTS[algorithm], _decoded(signature)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        return None
    text = f"{head}.{claims}".encode()
    for key in KNOWN_KEYS:
        if hmac.compare_digest(hmac.digest(key.encode(), text, digest), signed):
            return key
    return None


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
