"""Security headers: what tells a browser not to guess, not to frame, not to go back to plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from master.audit.answer import Answer
from master.audit.checks.check import Check, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import ABSENT, Site

_HTML = ("text/html", "application/xhtml+xml")

_NOSNIFF = Rule(
    "security-headers/content-type-options",
    "Answers may be taken for another type than they are declared to be",
    Severity.MEDIUM,
    "Send X-Content-Type-Options: nosniff with every answer.",
    ("CWE-693", "OWASP ASVS 5.0 3.4.4"),
)
_CSP = Rule(
    "security-headers/content-security-policy",
    "Pages have no Content-Security-Policy",
    Severity.MEDIUM,
    "Send Content-Security-Policy with at least default-src, object-src 'none' and base-uri 'none'.",
    ("CWE-1021", "CWE-693", "OWASP ASVS 5.0 3.4.3"),
)
_FRAMES = Rule(
    "security-headers/framing",
    "Pages may be shown in another site's frame",
    Severity.MEDIUM,
    "Send Content-Security-Policy: frame-ancestors 'none'.",
    ("CWE-1021", "OWASP ASVS 5.0 3.4.6"),
)
_HSTS = Rule(
    "security-headers/strict-transport-security",
    "Browsers are not told to stay with TLS",
    Severity.MEDIUM,
    "Send Strict-Transport-Security: max-age=31536000; includeSubDomains.",
    ("CWE-319", "OWASP ASVS 5.0 3.4.1"),
)


class SecurityHeadersCheck(Check):
    """Looks at the headers of all GETs that need no parameter, and of an error."""

    id = "security-headers"
    title = "Security headers"
    rules: ClassVar[tuple[Rule, ...]] = (_NOSNIFF, _CSP, _FRAMES, _HSTS)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        answers = [read.answer for read in site.reads()] + [site.client.ask("GET", f"/{ABSENT}")]
        pages = [answer for answer in answers if answer.media_type in _HTML]
        bare = [answer for answer in answers if answer.header("x-content-type-options").strip().lower() != "nosniff"]
        yield from summarize(_NOSNIFF, [f"{answer} without X-Content-Type-Options: nosniff" for answer in bare])
        without = [answer for answer in pages if not answer.header("content-security-policy")]
        yield from summarize(_CSP, [f"{answer} without Content-Security-Policy" for answer in without])
        framed = [answer for answer in pages if may_be_framed(answer)]
        yield from summarize(_FRAMES, [f"{answer} without frame-ancestors or X-Frame-Options" for answer in framed])
        if site.address.is_encrypted:
            plain = [
                answer for answer in answers if "max-age=" not in answer.header("strict-transport-security").lower()
            ]
            yield from summarize(_HSTS, [f"{answer} without Strict-Transport-Security" for answer in plain])


def may_be_framed(page: Answer) -> bool:
    """Whether any site may show the page in a frame."""
    return "frame-ancestors" not in page.header("content-security-policy").lower() and not page.header(
        "x-frame-options"
    )
