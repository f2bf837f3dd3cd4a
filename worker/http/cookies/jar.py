"""The cookies of one user, in a jar as the standard library's; the Cookie header for a URL is remembered until they change.

Which cookies are taken, and which are sent where, follows RFC 6265 and not the standard library's policy, which knows few forms
of dates, and no cookie whose Domain is a host without dots.

Invariants: no more cookies than the limits below; a remembered header is never older than the last change of the jar or the
expiry of a cookie in it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from http.cookiejar import Cookie, CookieJar

from worker.http.cookies.set_cookie import domain_matches, parse_set_cookie, path_matches
from worker.http.protocol.response_head import Head
from worker.http.protocol.url import ParsedUrl

_MAX_REMEMBERED = 64
_MAX_REMEMBERED_LENGTH = 4096
# Browsers keep 180 of 4096 bytes each (Chromium); RFC 6265 6.1 asks for 50 of that size at least.
_MAX_COOKIES_PER_DOMAIN = 300
_MAX_COOKIE_LENGTH = 4096
_MAX_DOMAINS = 100


class Cookies(CookieJar):
    """A CookieJar that remembers the Cookie header that it made for a URL."""

    def __init__(self) -> None:
        super().__init__()
        self.filled = False
        """Whether there may be cookies."""
        self._made: dict[str, str | None] = {}
        self._good_until_s = float("inf")

    def header_for(self, parsed_url: ParsedUrl) -> str | None:
        """The value of Cookie for a request to `parsed_url` (RFC 6265 5.4); None if no cookie is for it."""
        if time.time() >= self._good_until_s:
            self._forget()
        url = parsed_url.url
        if url in self._made:
            return self._made[url]
        self.clear_expired_cookies()
        header = "; ".join(pairs_of(self.matching(parsed_url))) or None
        if len(url) + len(header or "") <= _MAX_REMEMBERED_LENGTH:
            if len(self._made) >= _MAX_REMEMBERED:
                self._made.clear()
            self._made[url] = header
            self._good_until_s = min((cookie.expires for cookie in self if cookie.expires), default=float("inf"))
        return header

    def header_with(self, given: tuple[str, ...], parsed_url: ParsedUrl) -> str:
        """The value of Cookie for a request to `parsed_url` with the cookies `given`, in place of those of the same names."""
        names = {pair.partition("=")[0] for pair in given}
        self.clear_expired_cookies()
        return "; ".join([*pairs_of([each for each in self.matching(parsed_url) if each.name not in names]), *given])

    def matching(self, parsed_url: ParsedUrl) -> list[Cookie]:
        """The cookies for a request to `parsed_url`, those of longer paths first (RFC 6265 5.4)."""
        path = parsed_url.target.partition("?")[0]
        found = [
            cookie
            for cookie in self
            if path_matches(path, cookie.path)
            and _is_for_host(cookie, parsed_url.origin.host)
            and (not cookie.secure or parsed_url.origin.scheme == "https")
            and (not cookie.port or str(parsed_url.origin.port) in cookie.port.split(","))
        ]
        return sorted(found, key=lambda cookie: -len(cookie.path))

    def extract(self, head: Head, parsed_url: ParsedUrl) -> None:
        """Take the cookies that `head`, of the response to a request to `parsed_url`, sets (RFC 6265 5.3)."""
        path = parsed_url.target.partition("?")[0]
        now_s = time.time()
        for name, line in head.fields:
            if name.lower() != "set-cookie":
                continue
            cookie = parse_set_cookie(line, parsed_url.origin.host, path, now_s)
            if cookie is None:
                continue
            if cookie.is_expired(now_s):  # type: ignore[arg-type]  # any number of seconds
                with suppress(KeyError):
                    self.clear(cookie.domain, cookie.path, cookie.name)
            else:
                self.set_cookie(cookie)

    def set_cookie(self, cookie: Cookie) -> None:
        """Add or replace `cookie`, unless it is too large, or new where its domain has filled its share."""
        domains: dict[str, dict[str, dict[str, Cookie]]] = self._cookies  # type: ignore[attr-defined]
        paths = domains.get(cookie.domain, {})
        known = cookie.name in paths.get(cookie.path, {})
        room = (
            sum(len(names) for names in paths.values()) < _MAX_COOKIES_PER_DOMAIN
            if paths
            else len(domains) < _MAX_DOMAINS
        )
        if (known or room) and len(cookie.name) + len(cookie.value or "") <= _MAX_COOKIE_LENGTH:
            super().set_cookie(cookie)
            self.filled = True
        self._forget()

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Remove all cookies, or those of a domain, of a path, of a name."""
        super().clear(domain, path, name)
        self.filled = bool(self._cookies)  # type: ignore[attr-defined]
        self._forget()

    def _forget(self) -> None:
        self._made.clear()
        self._good_until_s = float("inf")


def pairs_of(cookies: list[Cookie]) -> list[str]:
    """`name=value` of each, or its name alone."""
    return [cookie.name if cookie.value is None else f"{cookie.name}={cookie.value}" for cookie in cookies]


def _is_for_host(cookie: Cookie, host: str) -> bool:
    """Whether a cookie is for `host`: the one that set it, any below its domain, or with an empty domain any at all.

    The last is what a task may put into the jar, and so is the standard library's name for a host without dots.
    """
    domain = cookie.domain.lower()
    bare = domain.removeprefix(".")
    if not bare or bare == host or (bare == host + ".local" and "." not in host):
        return True
    return (domain != bare or cookie.domain_specified) and domain_matches(host, bare)
