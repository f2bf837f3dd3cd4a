"""SQL injection: text is data, never a part of a statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar
from urllib.parse import quote_plus, urlencode

from master.audit.answer import Answer
from master.audit.checks.check import Check, first
from master.audit.finding import Finding, Rule, Severity
from master.audit.openapi import Operation
from master.audit.sign_in import Session, read_session
from master.audit.site import Site

_QUOTE = "piswarm'audit"
_TRUE, _FALSE = "zqx' OR '1'='1", "zqx' OR '1'='2"
_BYPASS = "piswarm-audit' OR '1'='1' --"

_ERROR = re.compile(
    r"sqlite3?\.\w{0,40}Error|unrecognized token: |near \"[^\"]{0,100}\": syntax error|syntax error at or near"
    r"|unterminated quoted string|psycopg2?\.|SQLSTATE\[|You have an error in your SQL syntax|ORA-\d{5}"
    r"|Unclosed quotation mark|pg_query\(\)|SQLException",
    re.IGNORECASE,
)
_REMEDY = "Bind values as parameters of the statement; never put them into its text."

_SHOWN = Rule(
    "sql-injection/error",
    "A quote in a value makes the database complain of the statement",
    Severity.CRITICAL,
    _REMEDY,
    ("CWE-89", "OWASP ASVS 5.0 1.2.4"),
)
_BOOLEAN = Rule(
    "sql-injection/condition",
    "A condition in a value is worked out by the database",
    Severity.CRITICAL,
    _REMEDY,
    ("CWE-89", "OWASP ASVS 5.0 1.2.4"),
)
_SIGN_IN = Rule(
    "sql-injection/sign-in",
    "A condition in the name signs in without a password",
    Severity.CRITICAL,
    _REMEDY,
    ("CWE-89", "CWE-287", "OWASP ASVS 5.0 1.2.4"),
)


class SqlInjectionCheck(Check):
    """Sends quotes and conditions in paths, queries and names; nothing that would write or wait if it were carried out."""

    id = "sql-injection"
    title = "SQL injection"
    rules: ClassVar[tuple[Rule, ...]] = (_SHOWN, _BOOLEAN, _SIGN_IN)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        site.require_operations()
        shown = list(first(_SHOWN, self._errors(site)))
        yield from shown
        if not shown:
            yield from first(_BOOLEAN, self._conditions(site))
        if site.sign_in is not None and read_session("", "", answer := site.try_sign_in(_BYPASS, _BYPASS)):
            yield _SIGN_IN.found(f"{answer} with the name {_BYPASS}")

    def _errors(self, site: Site) -> Iterator[str]:
        for operation, session in _readable(site):
            if "{" in operation.path:
                yield from _complaint(site.ask(operation, session=session, value=_QUOTE))
            for name in _texts(operation):
                yield from _complaint(site.ask(operation, session=session, query=urlencode({name: _QUOTE})))
        if site.sign_in is not None:
            yield from _complaint(site.try_sign_in(_QUOTE, _QUOTE))

    def _conditions(self, site: Site) -> Iterator[str]:
        for operation, session in _readable(site):
            for name in _texts(operation):
                true, false, again = (
                    site.ask(operation, session=session, query=urlencode({name: value}))
                    for value in (_TRUE, _FALSE, _TRUE)
                )
                same = without(true, _TRUE) == without(again, _TRUE)
                if true.is_success and false.is_success and same and without(true, _TRUE) != without(false, _FALSE):
                    yield f"{true} and {false} differ; the first is the same when it is asked again"


def _readable(site: Site) -> Iterator[tuple[Operation, Session | None]]:
    for operation in site.operations:
        session = site.session_for(operation) if operation.secured else None
        if operation.method == "GET" and (session is not None or not operation.secured):
            yield operation, session


def _texts(operation: Operation) -> list[str]:
    return [each.name for each in operation.parameters if each.place == "query" and each.takes_text]


def _complaint(answer: Answer) -> Iterator[str]:
    if found := _ERROR.search(answer.unescaped_text):
        yield f"{answer}: {answer.excerpt(found.group())}"


def without(answer: Answer, value: str) -> tuple[int, str]:
    """Status and body, without an echo of what was sent."""
    return answer.status, answer.text.replace(value, "").replace(quote_plus(value), "")
