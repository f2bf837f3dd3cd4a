"""The target's address: which URL may be audited, resolved once, and of which kind it is."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from master.errors import AbortError, InputError

_PRIVATE = tuple(
    ipaddress.ip_network(text)
    # RFC 1918 and RFC 4193; not link-local addresses, where clouds serve the credentials of their machines.
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


class Reach(StrEnum):
    """Who can be at an address."""

    LOOPBACK = "loopback"
    PRIVATE = "private"
    PUBLIC = "public"
    FORBIDDEN = "forbidden"
    """Link-local, multicast, unspecified: no address of one target of the operator's."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the target is. All connections go to `ip`, whatever the name resolves to later."""

    scheme: str
    host: str
    port: int
    base_path: str
    ip: str
    reach: Reach

    @property
    def origin(self) -> str:
        """Scheme, name and port, as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_encrypted(self) -> bool:
        """Whether the URL asks for TLS."""
        return self.scheme == "https"


def reach_of(text: str) -> Reach:
    """Which kind of address an IP address is."""
    ip = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return Reach.LOOPBACK
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return Reach.FORBIDDEN
    if any(ip in network for network in _PRIVATE if network.version == ip.version):
        return Reach.PRIVATE
    return Reach.PUBLIC


def resolve(url: str) -> Address:
    """The address of `url`: its name is resolved here and never again.

    Raises InputError for what can't be a target, AbortError for a name that does not resolve.
    """
    scheme, host, port, path = parse_url(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a name that no resolver takes is a UnicodeError
        raise AbortError(f"{host} can't be resolved: {error}", hint="Check the name in the URL.") from None
    addresses = [str(entry[4][0]) for entry in found]
    kinds = {reach_of(address) for address in addresses}
    if Reach.FORBIDDEN in kinds:
        raise InputError(
            f"{host} is at {', '.join(addresses)}: link-local, multicast and unspecified addresses are not audited",
            hint="Name the target by its own address.",
        )
    # A name that is private here and public there is public: the flag for private addresses must not cover it.
    reach = kinds.pop() if len(kinds) == 1 else Reach.PUBLIC
    return Address(scheme, host, port, path, addresses[0], reach)


def parse_url(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path before those of the API. Raises InputError."""
    hint = "Say it as http://127.0.0.1:8080 or https://staging.example.org."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{url}: not a URL: {error}", hint=hint) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"{url}: not a URL of a target", hint=hint)
    if parts.username is not None or parts.query or parts.fragment:
        raise InputError("the URL has a user name, a query or a fragment", hint="Name the target's base URL alone.")
    if any(character <= " " or character > "~" for character in url):
        raise InputError(f"{url}: a URL has neither blanks nor characters beyond ASCII", hint=hint)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, port if port is not None else default, parts.path.rstrip("/")
