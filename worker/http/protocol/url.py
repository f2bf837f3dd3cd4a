"""URLs taken apart: where a request goes, and what it says there (RFC 3986, RFC 9110 4.2). No I/O."""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlencode, urlsplit

from worker.http.protocol.request_head import basic_auth, pairs

_PORTS = {"http": 80, "https": 443}  # RFC 9110 4.2.1, 4.2.2
# What stands in a path and a query as it is: unreserved and reserved characters but "#" (RFC 3986 2.2, 2.3, 3.3, 3.4), "|"
# as servers take it, and "%", since what is encoded already stays so (2.4).
_SAFE = "!$%&'()*+,/:;=?@[]~-._|"
_MAX_ORIGINS = 1024
_is_absolute = re.compile(r"https?://", re.IGNORECASE).match
_is_unfit_host = re.compile(r"[\r\n\0 ]").search


class Origin(NamedTuple):
    """Scheme, host and port: what tells servers apart (RFC 9110 4.3.1). `scheme` is http or https, `host` without brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


_origins: dict[tuple[str, str, int], Origin] = {}  # one object for each, so that identity tells them apart


class ParsedUrl(NamedTuple):
    """A URL taken apart: `target` stands in the request line (origin-form, RFC 9112 3.2.1), `host` in Host (RFC 9110 7.2)."""

    url: str
    origin: Origin
    target: str
    host: str
    authorization: str | None = None
    """The Authorization header that the credentials in the URL make; they are not in `url`."""


@functools.lru_cache(maxsize=4096)
def parse_url(url: str, base_url: str = "") -> ParsedUrl:
    """Take apart `url`, which is absolute or what comes behind `base_url`; its fragment is not sent (RFC 9110 7.1).

    Raises ValueError for what is no http or https URL with a host.
    """
    if not _is_absolute(url):
        url = base_url + url
    url, authorization = split_credentials(url)
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is no http or https URL")
    host = parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if _is_unfit_host(host):
        raise ValueError(f"{url!r} has no host name")
    port = _PORTS[scheme] if parts.port is None else parts.port
    if port == 0:
        raise ValueError(f"{url!r} has port 0, where nothing can be")
    origin = _origins.setdefault((scheme, host, port), Origin(scheme, host, port))
    if len(_origins) > _MAX_ORIGINS:
        _origins.clear()
    target = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        target += "?" + quote(parts.query, safe=_SAFE)
    shown = str(origin) if port != _PORTS[scheme] else str(origin).rpartition(":")[0]
    return ParsedUrl(url, origin, target, shown, authorization)


def with_params(url: str, params: Any) -> str:
    """`url` with `params` (a mapping, pairs, or a string) behind what query it has."""
    if not isinstance(params, str):
        params = urlencode([(name, value) for name, value in pairs(params) if value is not None], doseq=True)
    url, hash_sign, fragment = url.partition("#")
    return f"{url}{'&' if '?' in url else '?'}{params}{hash_sign}{fragment}" if params else url


def split_credentials(url: str) -> tuple[str, str | None]:
    """`url` without its userinfo (RFC 3986 3.2.1), and the Authorization header that user and password make, or None.

    Either of the two may be missing. They are sent in the bytes that their percent-encoding stands for, as by curl.
    """
    if "@" not in url:
        return url, None
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = credentials.partition(":")
    return (
        parts._replace(netloc=host).geturl(),
        basic_auth(unquote_to_bytes(user), unquote_to_bytes(password)) if credentials else None,
    )
