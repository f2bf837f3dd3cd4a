"""Sessions of those who are signed in, and how often signing in may be tried. Pure: time and randomness are parameters."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_SESSIONS = 200
SESSION_S = 12 * 3600.0
"""A session ends so long after it began."""
FREE_TRIES = 5
"""Wrong passwords in a row of one address that cost no wait."""
FIRST_WAIT_S, MAX_WAIT_S = 2.0, 300.0
MAX_ADDRESSES = 1000


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in; `csrf` goes with each change that the page asks for."""

    name: str
    csrf: str
    ends_s: float


class Sessions:
    """Sessions by the hash of their token, so that memory has none that could be used."""

    def __init__(self, random_token: Callable[[], str]) -> None:
        """`random_token` makes text that nobody guesses."""
        self._random_token = random_token
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, name: str, now_s: float) -> str:
        """A new session of the user `name`; its token, for the cookie. The oldest one ends where there are too many."""
        token = self._random_token()
        while len(self._sessions) >= MAX_SESSIONS:
            self._sessions.popitem(last=False)
        self._sessions[_hash(token)] = Session(name, self._random_token(), now_s + SESSION_S)
        return token

    def find(self, token: str, now_s: float) -> Session | None:
        """The session of a token; None where there is none, or it has ended."""
        session = self._sessions.get(_hash(token))
        if session is None or session.ends_s <= now_s:
            self._sessions.pop(_hash(token), None)
            return None
        return session

    def end(self, token: str) -> None:
        """The session of that token is over."""
        self._sessions.pop(_hash(token), None)


def _place(address: str) -> str:
    """What one who tries has: an IPv4 address, or a network of IPv6, of which a single host has 2^64 addresses."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


class TryLimit:
    """Wrong passwords by address: after the free ones each doubles the wait before the next is looked at."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """How many there were in a row, and until when the address has to wait."""

    def wait_s(self, address: str, now_s: float) -> float:
        """How long the address has to wait before its next try; 0: not at all."""
        _, until_s = self._wrong.get(_place(address), (0, 0.0))
        return max(0.0, until_s - now_s)

    def note_wrong(self, address: str, now_s: float) -> None:
        """A password was wrong."""
        address = _place(address)
        count, _ = self._wrong.pop(address, (0, 0.0))
        count += 1
        beyond = count - FREE_TRIES
        wait_s = min(MAX_WAIT_S, FIRST_WAIT_S * 2 ** min(beyond, 20)) if beyond >= 0 else 0.0
        while len(self._wrong) >= MAX_ADDRESSES:
            self._wrong.popitem(last=False)
        self._wrong[address] = (count, now_s + wait_s)

    def note_right(self, address: str) -> None:
        """Somebody has signed in from there."""
        self._wrong.pop(_place(address), None)


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, told in a time that says nothing of where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
