"""Parser of Set-Cookie (RFC 6265 5.2, 5.3), with all the forms of dates that servers send (5.1.1). No I/O."""

from __future__ import annotations

import calendar
import re
from http.cookiejar import Cookie
from ipaddress import ip_address

_MAX_ATTRIBUTE_LENGTH = 1024  # RFC 6265bis 5.6; a longer one is ignored
_MAX_AGE_S = 10**10  # 300 years, as good as for ever
_FIRST_YEAR = 1601  # RFC 6265 5.1.1

_has_control_characters = re.compile(r"[\0-\x08\x0a-\x1f\x7f]").search
_is_age = re.compile(r'"?(-?)([0-9]+)"?').fullmatch
_tokens = re.compile(r"[^\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+").findall
_is_time = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])").match
_is_day = re.compile(r"([0-9]{1,2})(?![0-9])").match
_is_year = re.compile(r"([0-9]{2,4})(?![0-9])").match
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_KEPT = {"httponly": "HttpOnly", "samesite": "SameSite"}
"""Attributes that change nothing here, but that a task may look for."""


def parse_set_cookie(line: str, host: str, path: str, now_s: float) -> Cookie | None:
    """The cookie that `line` sets in a response to a request for `path` of `host`; None if it sets none, or one for another host.

    `now_s` is seconds since 1970. A cookie whose `expires` is not after it removes the one of its name, domain and path.
    """
    pair, *parts = line.split(";")
    name, equals, value = (part.strip(" \t") for part in pair.partition("="))
    if not equals or not name or _has_control_characters(name + value):
        return None
    given = _attributes(parts)
    domain = given.get("domain", "").removeprefix(".").lower()
    if domain and not domain_matches(host, domain):
        return None
    if "." not in domain or (domain == host and _is_address(host)):
        if domain not in {"", host}:
            return None  # all of a top-level domain
        domain = ""  # RFC 6265 5.3, step 5: it is this host's alone
    chosen_path = _unquoted(given.get("path", ""))
    if not chosen_path.startswith("/"):
        chosen_path = path[: path.rfind("/")] or "/"  # RFC 6265 5.1.4
    secure = "secure" in given
    if (name.startswith("__Secure-") and not secure) or (
        name.startswith("__Host-") and not (secure and chosen_path == "/" and "domain" not in given)
    ):
        return None  # RFC 6265bis 4.1.3
    expires_s = _expires_s(given, now_s)
    return Cookie(
        version=0,
        name=name,
        value=value,
        port=None,
        port_specified=False,
        domain=f".{domain}" if domain else host,
        domain_specified=bool(domain),
        domain_initial_dot=bool(domain),
        path=chosen_path,
        path_specified="path" in given,
        secure=secure,
        expires=expires_s,
        discard=expires_s is None,
        comment=None,
        comment_url=None,
        rest={_KEPT[key]: value for key, value in given.items() if key in _KEPT},
    )


def domain_matches(host: str, domain: str) -> bool:
    """Whether `host` is `domain` or below it (RFC 6265 5.1.3)."""
    return host == domain or (host.endswith("." + domain) and not _is_address(host))


def path_matches(path: str, cookie_path: str) -> bool:
    """Whether `path` is `cookie_path` or below it (RFC 6265 5.1.4)."""
    return path.startswith(cookie_path) and (
        len(path) == len(cookie_path) or cookie_path.endswith("/") or path[len(cookie_path)] == "/"
    )


def _attributes(parts: list[str]) -> dict[str, str]:
    """Attributes by name in small letters; of several of one name, the last valid one (RFC 6265 5.2, 5.3)."""
    given: dict[str, str] = {}
    for part in parts:
        key, _, value = (each.strip(" \t") for each in part.partition("="))
        key = key.lower()
        if len(value) > _MAX_ATTRIBUTE_LENGTH or (key == "domain" and not value):
            continue
        if (key == "max-age" and not _is_age(value)) or (key == "expires" and parse_date(value) is None):
            continue
        given[key] = value
    return given


def _expires_s(given: dict[str, str], now_s: float) -> int | None:
    """When a cookie ends, in seconds since 1970; None: with the session. An age goes before a date (RFC 6265 5.3)."""
    age = _is_age(given.get("max-age", ""))
    if age is not None:
        seconds = min(int(age[2][: len(str(_MAX_AGE_S))]), _MAX_AGE_S)
        return int(now_s) + seconds if seconds and not age[1] else 0
    return parse_date(given.get("expires", ""))


def parse_date(text: str) -> int | None:
    """Seconds from 1970 to a cookie's date, as RFC 6265 5.1.1 finds it; None for what is none. All are taken as UTC."""
    time: re.Match[str] | None = None
    day = month = year = 0
    for token in _tokens(text[:_MAX_ATTRIBUTE_LENGTH]):
        if time is None and (found := _is_time(token)):
            time = found
        elif not day and (found := _is_day(token)):
            day = int(found[1])
        elif not month and token[:3].lower() in _MONTHS:
            month = _MONTHS[token[:3].lower()]
        elif not year and (found := _is_year(token)):
            year = int(found[1])
            if year < 100:
                year += 1900 if year >= 70 else 2000
    if time is None or not month or year < _FIRST_YEAR or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    hour, minute, second = (int(part) for part in time.groups())
    if hour > 23 or minute > 59 or second > 59:
        return None
    return calendar.timegm((year, month, day, hour, minute, second))


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text.startswith('"') and text.endswith('"') else text


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
