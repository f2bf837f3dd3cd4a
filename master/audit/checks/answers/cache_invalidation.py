"""Cache invalidation: no cache keeps what is one account's, and none gives it to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from master.audit.answer import Answer
from master.audit.checks.check import Check, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.openapi import Operation
from master.audit.site import Site

_STORED = Rule(
    "cache-invalidation/stored-private-answer",
    "Answers for an account may be kept by caches, and shown when they are no longer true",
    Severity.MEDIUM,
    "Send Cache-Control: no-store, or private with no-cache and an ETag, with all that needs a token.",
    ("CWE-525", "CWE-524", "OWASP ASVS 5.0 14.3.2"),
)
_SHARED = Rule(
    "cache-invalidation/shared-answer",
    "An account is given the answer that was made for another",
    Severity.CRITICAL,
    "Make the account a part of the key of every cache, or cache behind the check of the token.",
    ("CWE-524", "CWE-488", "OWASP ASVS 5.0 14.2.2"),
)


class CacheInvalidationCheck(Check):
    """Looks at Cache-Control, and asks the same as several accounts in turns."""

    id = "cache-invalidation"
    title = "Cache invalidation"
    rules: ClassVar[tuple[Rule, ...]] = (_STORED, _SHARED)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        site.require_session()
        private = [read for read in site.reads() if read.signed_in and read.answer.is_success]
        kept = [read.answer for read in private if may_be_kept(read.answer.header("cache-control"))]
        yield from summarize(_STORED, [describe_cache(answer) for answer in kept])
        yield from summarize(_SHARED, list(self._shared(site, [read.operation for read in private])))

    def _shared(self, site: Site, operations: list[Operation]) -> Iterator[str]:
        sessions = list(site.sessions.values())
        for operation in operations:
            if operation.roles:
                continue
            # Where an answer names the one who asks, it must name each.
            answers = [(session, site.ask(operation, session=session)) for session in sessions]
            named = [session.account for session, answer in answers if f'"{session.account}"' in answer.text]
            wrong = [
                (session, answer, other)
                for session, answer in answers
                for other in named
                if answer.is_success and f'"{session.account}"' not in answer.text and f'"{other}"' in answer.text
            ]
            yield from (f"{answer} as {session.account} is the answer for {other}" for session, answer, other in wrong)


def may_be_kept(cache_control: str) -> bool:
    """Whether a cache may answer with it later without asking."""
    said = {part.partition("=")[0].strip().lower() for part in cache_control.split(",")}
    return "no-store" not in said and not ("private" in said and ("no-cache" in said or "immutable" in said))


def describe_cache(answer: Answer) -> str:
    """What an answer says to caches."""
    said = answer.header("cache-control")
    return f"{answer} with Cache-Control: {said}" if said else f"{answer} without Cache-Control"
