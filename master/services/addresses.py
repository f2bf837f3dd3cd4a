"""Where a service is: its URL, given in the file, or by an environment variable, so that no file holds a password. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from master.scenario.suggest import did_you_mean

PORTS = {"http": 80, "https": 443, "tcp": None, "postgresql": 5432, "redis": 6379, "rediss": 6379, "mongodb": 27017}
"""Schemes of a service's URL, with their ports; tcp has none of its own."""
WITH_TLS = {"http": "https", "redis": "rediss"}
"""Schemes without TLS that have one with it."""
TARGET = "target"
"""In place of a URL: the target of the run, or the one that is checked."""


@dataclass(frozen=True)
class Address:
    """What is needed to reach a service. `database` is the first part of the path, `path` all of it."""

    scheme: str
    host: str
    port: int
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def database(self) -> str:
        """The database that the URL names; empty where it names none."""
        return unquote(self.path.strip("/").partition("/")[0])

    @property
    def shown(self) -> str:
        """The URL for people, without an account."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted from its first byte."""
        return self.scheme in WITH_TLS.values()

    @property
    def lacks_tls(self) -> bool:
        """Whether it is without TLS, where its scheme has one with it, and leaves this machine."""
        return self.scheme in WITH_TLS and not self.is_loopback

    @property
    def is_loopback(self) -> bool:
        """Whether it is an address of this machine alone."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_address(url: str) -> Address:
    """The address in `url`. Raises ValueError, whose text never repeats an account."""
    scheme, separator, _ = url.partition("://")
    shown = "" if "@" in url else f"{url!r:.200} "
    if not separator or scheme not in PORTS:
        suggestion = did_you_mean(scheme, PORTS) if separator else ""
        raise ValueError(
            f"{shown}is no URL of a service{suggestion} (known: {', '.join(f'{each}://' for each in PORTS)})"
        )
    if not re.fullmatch(r"[!-~]+", url) or "\\" in url or "?" in url or "#" in url:
        raise ValueError(f"{shown}is no base URL: leave out spaces, queries and fragments")
    parts, port = _split(url)
    if not parts.hostname or not port:
        raise ValueError(f"{shown}needs a host and a port, e.g. tcp://127.0.0.1:9200")
    user, password, path = (unquote(part or "") for part in (parts.username, parts.password, parts.path))
    if not f"{user}{password}{path}".isprintable():
        raise ValueError(f"{shown}has characters in it that can't be printed")
    return Address(
        scheme,
        parts.hostname,
        port,
        parts.path.rstrip("/"),
        user,
        password,
    )


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        return parts, PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        # Its own text may repeat a part of the account, where that has a colon too many.
        raise ValueError("is no URL: its host or port can't be read") from None


def check_written(url: str) -> str:
    """`url` if it may stand in a file: without a password; else ValueError."""
    if url != TARGET and parse_address(url).password:
        raise ValueError(
            "holds a password: put the whole URL into an environment variable, and name that with url_from"
        )
    return url


def address_of(url: str | None, url_from: str | None, variables: Mapping[str, str], target: str) -> Address | None:
    """Where a service is; None where its variable is not set, so that it is not used. Raises ValueError."""
    if url_from is not None:
        given = variables.get(url_from, "").strip()
        if not given:
            return None
        try:
            return parse_address(given)
        except ValueError as error:
            raise ValueError(f"the environment variable {url_from}: {error}") from None
    if url is None:
        return None
    return parse_address(target if url == TARGET else url)
