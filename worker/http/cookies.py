"""The cookies of one user, on the standard library's jar; what they come to is worked out once, until they change."""

from __future__ import annotations

import re
import time
from email.message import Message
from http.cookiejar import Cookie, CookieJar
from typing import Any
from urllib.request import Request

from worker.http.head import Head

_MAX_REMEMBERED = 64
_MAX_REMEMBERED_LENGTH = 4096
# Browsers keep 180 of 4096 bytes each (Chromium); RFC 6265 6.1 asks for 50 of that size at least.
_MAX_COOKIES_PER_DOMAIN = 300
_MAX_COOKIE_LENGTH = 4096
_MAX_DOMAINS = 100


class Cookies(CookieJar):
    """A CookieJar that remembers which Cookie header it made for which URL."""

    def __init__(self) -> None:
        super().__init__()
        self.filled = False
        """Whether there may be cookies."""
        self._made: dict[str, str | None] = {}
        self._good_until_s = float("inf")

    def header_for(self, url: str) -> str | None:
        """The Cookie header for a request to `url`; None if there is none to send."""
        if time.time() >= self._good_until_s:
            self._forget()
        if url in self._made:
            return self._made[url]
        request = Request(url)  # noqa: S310  # nothing is opened; the jar only understands such objects
        self.add_cookie_header(request)
        header = request.get_header("Cookie")
        if len(url) + len(header or "") <= _MAX_REMEMBERED_LENGTH:
            if len(self._made) >= _MAX_REMEMBERED:
                self._made.clear()
            self._made[url] = header
            self._good_until_s = min((cookie.expires for cookie in self if cookie.expires), default=float("inf"))
        return header

    def extract(self, head: Head, url: str) -> None:
        """Take what the server sets with the answer to a request to `url`."""
        self.extract_cookies(_Answer(head), Request(url))  # type: ignore[arg-type]  # noqa: S310

    def set_cookie(self, cookie: Cookie) -> None:
        """Add a cookie, or renew it; not one that is too large, nor a new one for a domain that has filled its share."""
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


class _Answer:
    """A head as the jar wants it."""

    def __init__(self, head: Head) -> None:
        self._head = head

    def info(self) -> Any:
        message = Message()
        for name, value in self._head.fields:
            if name.lower() == "set-cookie":
                message["Set-Cookie"] = _without_odd_ages(value)
        return message


def _without_odd_ages(line: str) -> str:
    """Without a Max-Age that is no number of seconds, at which the jar would fail and lose the answer's other cookies, too."""
    return ";".join(part for part in line.split(";") if not _is_odd_age(part))


_is_odd_age = re.compile(r'\s*max-age\s*(?!=\s*"?-?\d{1,10}"?\s*$)', re.IGNORECASE).match
