"""Hosts that a text names: in URLs, wherever they stand in it, or as the whole of it. Pure.

Clients read one text differently: some end a host at a backslash and decode %2e in it, some leave out tabs. A host counts when any of them
would go there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?P<colon>:(?P<port>[0-9]{1,40})?)?")
# What stands before a host is looked ahead at, and so not more than once: a text may be a payload of megabytes.
_URL = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,15}):)?/{2,}(?=(?P<authority>[^/?#]*))")
_BARE = re.compile(rf"{_HOST.pattern}(?=[/?#\0]|$)")
_UNSEEN = re.compile("[\u00ad\u034f\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]")
"""What names of hosts lose before they are looked up (RFC 3454, table B.1)."""
_BREAKS = re.compile("[\t\r\n]")
_DOTS = {0x3002: "."}
"""The ideographic full stop, which parts labels as the dot does (RFC 3490, 3.1)."""


def hosts_in(text: str) -> Iterator[tuple[str, int | None]]:
    """Each host with its port; None where the port is not known."""
    yield from dict.fromkeys(host for reading in _readings(text) for host in _hosts(reading))


def _readings(text: str) -> Iterator[str]:
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text).translate(_DOTS))  # as before a name is looked up
    yield text
    if "\\" in text:
        yield text.replace("\\", "/")
    if _BREAKS.search(text):
        yield _BREAKS.sub("", text)
    if "%" in text:
        yield unquote(text)


def _hosts(text: str) -> Iterator[tuple[str, int | None]]:
    for url in _URL.finditer(text):
        authority, default = url["authority"], _PORTS.get((url["scheme"] or "").lower())
        begins = [0, *(at.end() for at in re.finditer("@", authority))]  # an account may have an @ in it
        for match in filter(None, (_HOST.match(authority, begin) for begin in begins)):
            yield match["host"].lower(), _port(match, default)
    bare = _BARE.match(text)
    if bare is not None and (bare["port"] or "." in bare["host"]):  # else it is any word
        yield bare["host"].lower(), _port(bare, None)


def _port(match: re.Match[str], default: int | None) -> int | None:
    if match["colon"]:  # a port that only a run would know may follow it
        return int(match["port"]) if match["port"] else None
    return default
