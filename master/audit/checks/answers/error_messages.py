"""Error messages: they tell the client what it did wrong, and nothing of how the target is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from master.audit.answer import Answer
from master.audit.checks.check import Check, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.openapi import JSON, Operation
from master.audit.site import ABSENT, NotApplicableError, Site, invented_name

_MAX_OPERATIONS = 30

# Repetitions are bounded here and in other checks: a hostile answer must not make a search take the square of its length.
_INTERNALS = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"]{1,300}\", line \d+|\bat [\w.$]{1,200}\(\w{1,100}\.java:\d+\)"
    r"|\n\s{1,20}at .{1,200}\.js:\d+:\d+|goroutine \d+ \[|/(?:usr|home|srv|opt|var)/[\w./-]{1,200}\.(?:py|js|rb|php|go|java)\b"
    r"|\b[A-Za-z_]\w{0,80}(?:Error|Exception): |stack trace:|<b>Fatal error</b>"
)
_VERSION = re.compile(r"[A-Za-z][\w.-]*/\d+\.\d+")

_TRACE = Rule(
    "error-messages/internals",
    "Errors show traces, files or exceptions of the target",
    Severity.MEDIUM,
    "Answer with a code and a message of your own; write the rest into the log.",
    ("CWE-209", "OWASP ASVS 5.0 16.5.1"),
)
_ENUMERATION = Rule(
    "error-messages/account-exists",
    "A refused sign-in tells whether there is such an account",
    Severity.MEDIUM,
    "Refuse a wrong name and a wrong password with the same answer, at the same cost.",
    ("CWE-204", "OWASP ASVS 5.0 6.3.8"),
)
_SERVER = Rule(
    "error-messages/software-version",
    "Headers name the software and its version",
    Severity.LOW,
    "Leave the version out of Server, X-Powered-By and the like.",
    ("CWE-200", "OWASP ASVS 5.0 13.4.6"),
)


class ErrorMessagesCheck(Check):
    """Provokes errors and reads what they say."""

    id = "error-messages"
    title = "Error-message hygiene"
    rules: ClassVar[tuple[Rule, ...]] = (_TRACE, _ENUMERATION, _SERVER)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        answers = [
            site.client.ask("GET", f"/{ABSENT}"),
            site.client.ask("PUT", "/"),
            site.client.ask("GET", "/", headers={"Authorization": "Bearer a.b.c", "Range": "bytes=x"}),
            *(self._malformed(site, each) for each in _taking_json(site)[:_MAX_OPERATIONS]),
        ]
        yield from summarize(_TRACE, [text for answer in answers if (text := shown_internals(answer))])
        named = {f"{name}: {answer.header(name)}" for answer in answers for name in ("server", "x-powered-by")}
        yield from summarize(_SERVER, sorted(text for text in named if _VERSION.search(text)))
        yield from self._enumeration(site)

    def _malformed(self, site: Site, operation: Operation) -> Answer:
        return site.ask(operation, session=site.session_for(operation), body=b"{")

    def _enumeration(self, site: Site) -> Iterator[Finding]:
        try:
            account = site.require_session().account
        except NotApplicableError:
            return
        # One wrong password for an account that is there: not enough to lock it anywhere.
        wrong = invented_name()
        known, unknown = site.try_sign_in(account, wrong), site.try_sign_in(invented_name(), wrong)
        if (known.status, known.json or known.body) != (unknown.status, unknown.json or unknown.body):
            yield _ENUMERATION.found(
                f"a wrong password: {known}: {known.excerpt()}\na name of nobody: {unknown}: {unknown.excerpt()}"
            )


def _taking_json(site: Site) -> list[Operation]:
    return [each for each in site.operations if each.body_type == JSON]


def shown_internals(answer: Answer) -> str:
    """What an answer shows of the target's inside; empty where it shows nothing."""
    found = _INTERNALS.search(answer.unescaped_text)
    return f"{answer}: {answer.excerpt(found.group())}" if found else ""
