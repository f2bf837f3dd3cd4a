"""Payment is never put under load: what of a run would reach a payment service. Pure."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from master.services.addresses import PORTS, Address, address_of
from master.services.model import Catalogue
from master.services.payment.named_hosts import hosts_in
from master.services.payment.tron import is_public_host
from worker.printable import printable

_LOOPBACK = "loopback"
_BYTE, _PARTS = 256, 4


@dataclass(frozen=True)
class Mention:
    """A place of a locustfile or a scenario that names a host, with its port where that is known, or something that may be an environment variable."""

    file: Path
    line: int | None
    host: str = ""
    port: int | None = None
    variable: str = ""

    @property
    def shown(self) -> str:
        """What is named, without an account."""
        return self.variable or (self.host if self.port is None else f"{self.host}:{self.port}")


@dataclass(frozen=True)
class PaymentServices:
    """The payment services: where each is, as far as that is known, and which environment variables have their URLs.

    `environment` has the values of all variables.
    """

    addresses: Mapping[str, Address]
    variables: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def find(self, host: str, port: int | None) -> str | None:
        """In words, the payment service at `host`; None where there is none.

        Without a `port` every port of the host counts, but not of loopback, where much else is.
        """
        place = canonical_host(host)
        if is_public_host(place):
            return "a public node of TRON"
        for name, address in self.addresses.items():
            same = place == canonical_host(address.host)
            if same and (port == address.port or (port is None and place != _LOOPBACK)):
                return f"the payment service {name!r}"
        return None

    def find_mentioned(self, mention: Mention) -> str | None:
        """In words, the payment service that is named; None where none is."""
        if mention.variable in self.variables:
            return f"the URL of the payment service {self.variables[mention.variable]!r}"
        if not mention.variable:
            return self.find(mention.host, mention.port)
        named = (self.find(*host) for host in hosts_in(self.environment.get(mention.variable, "")))
        return next((f"set to {found}" for found in named if found), None)


def payment_services(catalogue: Catalogue | None, variables: Mapping[str, str], target: str) -> PaymentServices:
    """Those of `catalogue`. Raises ValueError where it can't be known where one is."""
    addresses: dict[str, Address] = {}
    names: dict[str, str] = {}
    for service in () if catalogue is None else catalogue.services.values():
        endpoint = service.shape.endpoint
        if service.under_load or endpoint is None:
            continue
        if service.variable is not None:
            names[service.variable] = service.name
        try:
            address = address_of(endpoint.url, endpoint.url_from, variables, target)
        except ValueError as error:
            raise ValueError(f"{service.name}: {error}, so it can't be seen what of a run would reach it") from None
        if address is not None:
            addresses[service.name] = address
    return PaymentServices(addresses, names, variables)


def find_payment_target(target: str, payment: PaymentServices) -> str | None:
    """Why `target` must not be put under load: it is a payment service; None where it is none."""
    try:
        parts = urlsplit(target)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None  # no URL, which others say
    # Users of other clients than piswarm's own may read it otherwise.
    places = [(host, port), *((other, known or port) for other, known in hosts_in(target))]
    found = next((found for place in places if (found := payment.find(*place))), None)
    return None if found is None else f"the target {host}:{port} is {found}: payment is never put under load"


def find_payment_mentions(mentions: Iterable[Mention], payment: PaymentServices) -> list[str]:
    """A line for each place that names a payment service."""
    rows = []
    for mention in mentions:
        found = payment.find_mentioned(mention)
        if found is not None:
            where = f"{mention.file}:{mention.line}" if mention.line else str(mention.file)
            rows.append(printable(f"{where}: {mention.shown} is {found}: payment is never put under load"))
    return list(dict.fromkeys(rows))


def canonical_host(host: str) -> str:
    """One spelling of a host, for which there are several: all of loopback are one, and so are all of an IPv4 address."""
    host = host.strip("[]")
    with contextlib.suppress(UnicodeError):  # a name that can't be looked up
        host = host.encode("idna").decode("ascii")
    host = host.rstrip(".").lower()
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(_ipv4(host) or host)
    except ValueError:
        return _LOOPBACK if host == "localhost" or host.endswith(".localhost") else host
    address = getattr(address, "ipv4_mapped", None) or address
    # What is sent to the address of "any" arrives at this machine.
    return _LOOPBACK if address.is_loopback or address.is_unspecified else str(address)


def _ipv4(host: str) -> int | None:
    """The address in any form that inet_aton(3) takes, such as 127.1, 0x7f000001 or 0177.0.0.1; None for anything else."""
    if not re.fullmatch(r"(?:0x[0-9a-f]{1,8}|[0-9]{1,11})(?:\.(?:0x[0-9a-f]{1,8}|[0-9]{1,11})){0,3}", host):
        return None
    try:
        *leading, last = map(_number, host.split("."))
    except ValueError:
        return None
    if any(part >= _BYTE for part in leading) or last >= _BYTE ** (_PARTS - len(leading)):
        return None
    for index, part in enumerate(leading):
        last += part << 8 * (_PARTS - 1 - index)
    return last


def _number(text: str) -> int:
    return int(text, 16 if text.startswith("0x") else 8 if text.startswith("0") else 10)
