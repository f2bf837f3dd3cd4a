"""Encryption: what is secret is neither sent in the clear nor answered in the clear."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from master.audit.address import Reach
from master.audit.checks.check import Check, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import Site

_SECRET_NAMES = re.compile(
    r"^(password|passwd|pwd|secret|client_?secret|private_?key|secret_?key|api_?key|master_?key|mnemonic|seed_?phrase)$",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
_HASHES = ("$argon2", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$scrypt$", "$pbkdf2", "{SSHA", "***")

_PLAIN_HTTP = Rule(
    "encryption/plain-http",
    "Passwords and tokens cross the network in the clear",
    Severity.HIGH,
    "Serve TLS, and nothing but a redirect without it.",
    ("CWE-319", "OWASP ASVS 5.0 12.2.1"),
)
_SECRET = Rule(
    "encryption/secret-in-answer",
    "Answers have secrets in the clear",
    Severity.HIGH,
    "Never answer with a secret; keep passwords as hashes and keys encrypted.",
    ("CWE-312", "CWE-200", "OWASP ASVS 5.0 14.2.1"),
)


class EncryptionCheck(Check):
    """Looks at the connection, and for secrets in the answers of all GETs that need no parameter."""

    id = "encryption"
    title = "Encryption"
    rules: ClassVar[tuple[Rule, ...]] = (_PLAIN_HTTP, _SECRET)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        if not site.address.is_encrypted and site.address.reach is not Reach.LOOPBACK:
            yield _PLAIN_HTTP.found(f"{site.address.origin} is a {site.address.reach} address and has no TLS")
        evidence = []
        for read in site.reads():
            shown = "a private key" if _PRIVATE_KEY.search(read.answer.text) else ""
            if path := next(secret_fields(read.answer.json), ""):
                shown = f"a value in {path}"
            if shown:
                evidence.append(f"{read.answer} has {shown}")
        yield from summarize(_SECRET, evidence)


def secret_fields(content: Any) -> Iterator[str]:
    """The paths of fields that are named like secrets and have a value that is no hash. JSON of any depth."""
    waiting: list[tuple[str, Any]] = [("", content)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(f"{path}[{number}]", each) for number, each in enumerate(value)]
        elif isinstance(value, dict):
            # A description of fields names secrets and has none.
            waiting += [(f"{path}.{name}", each) for name, each in value.items()]
            for name, each in value.items():
                if isinstance(each, str) and each and _SECRET_NAMES.match(name) and not each.startswith(_HASHES):
                    yield f"{path}.{name}"
