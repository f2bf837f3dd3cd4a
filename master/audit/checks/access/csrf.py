"""CSRF: no other site can act through a browser that is signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from master.audit.checks.check import Check
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import Site

_SAME_SITE = re.compile(r";\s*samesite\s*=\s*(lax|strict)\b", re.IGNORECASE)
FOREIGN_ORIGIN = "https://piswarm-audit.invalid"

_COOKIE = Rule(
    "csrf/cookie-for-other-sites",
    "A session cookie is sent with requests that other sites make, and is enough for them",
    Severity.HIGH,
    "Set SameSite=Lax or Strict, and ask for a token that another site can't know.",
    ("CWE-352", "CWE-1275", "OWASP ASVS 5.0 3.5.1"),
)


class CsrfCheck(Check):
    """Signs in, and looks whether the cookies of it, sent from another origin, are enough to be served."""

    id = "csrf"
    title = "CSRF"
    rules: ClassVar[tuple[Rule, ...]] = (_COOKIE,)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        cookies = open_cookies(site.require_session().answer.header("set-cookie"))
        if not cookies:
            return
        headers = {"Cookie": "; ".join(cookies), "Origin": FOREIGN_ORIGIN, "Sec-Fetch-Site": "cross-site"}
        answer = site.ask(site.private_read(), headers=headers)
        if answer.is_success:
            names = ", ".join(cookie.partition("=")[0] for cookie in cookies)
            yield _COOKIE.found(f"{answer} with the cookie {names} alone, from Origin {FOREIGN_ORIGIN}")


def open_cookies(set_cookie: str) -> list[str]:
    """Name and value of the cookies that a browser may send with another site's requests; one Set-Cookie a line."""
    return [line.partition(";")[0].strip() for line in set_cookie.splitlines() if line and not _SAME_SITE.search(line)]
