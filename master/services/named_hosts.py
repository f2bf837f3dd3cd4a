"""Hosts that a text names: in URLs, wherever they stand in it, or as the whole of it. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_HOST = r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?P<colon>:(?P<port>[0-9]{1,5})?)?"
# Bounded, since a text may be a payload of megabytes.
_URL = re.compile(rf"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{{0,15}}):)?//(?:[^\s/?#@]{{0,500}}@)?{_HOST}")
_BARE = re.compile(rf"{_HOST}(?=[/?#\0]|$)")


def hosts_in(text: str) -> Iterator[tuple[str, int | None]]:
    """Each host with its port; None where the port is not known."""
    text = unicodedata.normalize("NFKC", text)  # as names of hosts are before they are looked up
    for match in _URL.finditer(text):
        yield match["host"].lower(), _port(match, _PORTS.get((match["scheme"] or "").lower()))
    bare = _BARE.match(text)
    if bare is not None and (bare["port"] or "." in bare["host"]):  # else it is any word
        yield bare["host"].lower(), _port(bare, None)


def _port(match: re.Match[str], default: int | None) -> int | None:
    if match["colon"]:  # a port that only a run would know may follow it
        return int(match["port"]) if match["port"] else None
    return default
