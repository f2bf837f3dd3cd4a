"""XSS: what was sent never comes back as a part of a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar
from urllib.parse import urlencode

from master.audit.answer import Answer
from master.audit.checks.check import Check, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.openapi import JSON
from master.audit.site import Site

_MARKUP = "<svg/onload=piswarm>"
_PAGES = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml"})

_REFLECTED = Rule(
    "xss/reflected",
    "Markup in a request comes back as markup",
    Severity.HIGH,
    "Escape values where they are put into pages, by a template engine that does it by itself; answer APIs in JSON.",
    ("CWE-79", "OWASP ASVS 5.0 1.2.1"),
)


class XssCheck(Check):
    """Sends markup in paths, queries and bodies, and looks for it in what a browser would show."""

    id = "xss"
    title = "XSS"
    rules: ClassVar[tuple[Rule, ...]] = (_REFLECTED,)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        yield from summarize(_REFLECTED, [text for answer in self._answers(site) if (text := reflection(answer))])

    def _answers(self, site: Site) -> Iterator[Answer]:
        query = urlencode({"q": _MARKUP})
        yield site.client.ask("GET", f"/?{query}")
        yield site.client.ask("GET", "/%3Csvg%2Fonload%3Dpiswarm%3E")
        for operation in site.operations:
            session = site.session_for(operation) if operation.secured else None
            if session is None and operation.secured:
                continue
            if operation.method == "GET":
                names = [each.name for each in operation.parameters if each.place == "query"]
                if "{" in operation.path:
                    yield site.ask(operation, session=session, value=_MARKUP)
                yield from (site.ask(operation, session=session, query=urlencode({name: _MARKUP})) for name in names)
            elif operation.body_type == JSON:
                # A field that is not described: it is refused, and may be named in the refusal.
                body = json.dumps({_MARKUP: _MARKUP}).encode()
                yield site.ask(operation, session=session, body=body)


def reflection(answer: Answer) -> str:
    """The answer and a part of it, if a browser would take the markup in it for a page's; else empty."""
    sniffed = not answer.media_type and answer.header("x-content-type-options").lower() != "nosniff"
    if _MARKUP in answer.text and (answer.media_type in _PAGES or sniffed):
        return f"{answer} as {answer.media_type or 'no type'}: {answer.excerpt(_MARKUP)}"
    return ""
