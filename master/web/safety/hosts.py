"""Which names the page answers to, and from where a change may be asked for. Pure.

A web page of a stranger can have the reader's browser ask this server (cross-site request forgery), and can make its own name mean
127.0.0.1 (DNS rebinding). So only names that this server has are answered, and a change must come from the page itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class OwnNames:
    """The names of this server; its port is not looked at, since a tunnel may have another."""

    names: frozenset[str] = LOOPBACK_NAMES

    def is_own_host(self, host: str) -> bool:
        """Whether a Host header (RFC 9110, 7.2) names this server."""
        found = _HOST.fullmatch(host.lower())
        return found is not None and found[1] in self.names

    def is_own_origin(self, origin: str | None, host: str) -> bool:
        """Whether an Origin header (RFC 6454, 7) is the page's own, which was asked for as `host`. None: there was none."""
        if origin is None:
            return False
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return (
            parts.scheme in {"http", "https"}
            and self.is_own_host(parts.netloc)
            and parts.netloc.lower() == host.lower()
        )


def is_strangers_fetch(path: str, site: str | None, mode: str | None) -> bool:
    """Whether a page of another origin has the browser read `path`, by `Sec-Fetch-Site` and `Sec-Fetch-Mode` (None: not sent).

    It would not see the answer, but could have the server work. A link from elsewhere to the page or to a report is none.
    """
    return site not in {None, "same-origin", "none"} and (mode != "navigate" or path.startswith(("/api/", "/metrics")))


def names_of(host: str, further: list[str]) -> OwnNames:
    """The names of a server that listens on `host`, and those that its operator gives it besides."""
    listened = [] if host in {"0.0.0.0", "::"} else [host]  # noqa: S104  # compared, not bound
    written = [f"[{name}]" if ":" in name and not name.startswith("[") else name for name in [*listened, *further]]
    return OwnNames(LOOPBACK_NAMES | {name.lower() for name in written})
