"""CORS: no foreign site reads answers meant for an account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from master.audit.answer import Answer
from master.audit.checks.check import Check, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import NotApplicableError, Site

_FOREIGN = ("https://piswarm-audit.invalid", "null")

_REFLECTED = Rule(
    "cors/foreign-origin-with-credentials",
    "Any site may read answers with the credentials of the browser",
    Severity.HIGH,
    "Allow the origins of a fixed list only; never echo Origin together with Access-Control-Allow-Credentials.",
    ("CWE-942", "CWE-346", "OWASP ASVS 5.0 3.4.2"),
)
_ANY = Rule(
    "cors/foreign-origin",
    "Any site may read answers that need a token",
    Severity.MEDIUM,
    "Allow the origins of a fixed list only.",
    ("CWE-942", "OWASP ASVS 5.0 3.4.2"),
)


class CorsCheck(Check):
    """Asks, and asks beforehand as browsers do, in the name of origins that nobody allowed."""

    id = "cors"
    title = "CORS"
    rules: ClassVar[tuple[Rule, ...]] = (_REFLECTED, _ANY)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        try:
            session, path = site.require_session(), site.private_read().path_with("")
        except NotApplicableError:
            session, path = None, "/"
        token = {} if session is None else {"Authorization": f"Bearer {session.token}"}
        with_credentials, without = [], []
        for origin in _FOREIGN:
            beforehand = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
            for answer in (
                site.client.ask("GET", path, headers={"Origin": origin, **token}),
                site.client.ask("OPTIONS", path, headers={"Origin": origin, **beforehand}),
            ):
                allowed = answer.header("access-control-allow-origin").strip()
                shown = f"{answer} for Origin {origin}: Access-Control-Allow-Origin: {allowed}"
                if allowed == origin and allows_credentials(answer):
                    with_credentials.append(f"{shown}, with credentials")
                elif allowed in {origin, "*"} and session is not None:
                    without.append(shown)
        yield from summarize(_REFLECTED, with_credentials)
        if not with_credentials:
            yield from summarize(_ANY, without)


def allows_credentials(answer: Answer) -> bool:
    """Whether a browser may send cookies, and show the answer to them."""
    return answer.header("access-control-allow-credentials").strip().lower() == "true"
