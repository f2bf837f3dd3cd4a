"""Asking the services of a catalogue: which are used, where each is, and how healthy they are."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from master.errors import InputError
from master.services.addresses import TARGET, WITH_TLS, Address, address_of
from master.services.health.assessment import Asked, ServiceHealth, assess
from master.services.health.certificates import trust
from master.services.health.prober import Probe, ask_all
from master.services.health.probes import exchange_for
from master.services.model import Service
from master.services.schema import PROBES


@dataclass(frozen=True)
class Questions:
    """What to ask of some services, which are in order and with all that they depend on."""

    services: Sequence[Service]
    probes: Sequence[Probe]
    unused: Mapping[str, str]
    """Those that are not used, each with the reason."""

    def ask(self) -> dict[str, ServiceHealth]:
        """Ask all at the same time; the health of each."""
        answers = {
            name: Asked(probed.answer.healthy, probed.answer.detail, probed.took_s)
            for name, probed in ask_all(self.probes).items()
        }
        return assess(self.services, answers, self.unused)


def prepare_questions(services: Sequence[Service], variables: Mapping[str, str], target: str) -> Questions:
    """What to ask of `services`, by the environment `variables` and the URL of the target. Raises InputError."""
    probes: list[Probe] = []
    unused: dict[str, str] = {}
    trusted = cache(trust)  # reading the authorities of the system takes some 20 ms
    for service in services:
        probe = _probe(service, variables, target, unused, trusted)
        if probe is not None:
            probes.append(probe)
    return Questions(services, probes, unused)


def _probe(
    service: Service,
    variables: Mapping[str, str],
    target: str,
    unused: dict[str, str],
    trusted: Callable[[Path | None], ssl.SSLContext],
) -> Probe | None:
    endpoint, health = service.shape.endpoint, service.shape.health
    if endpoint is None:
        return None
    try:
        address = address_of(endpoint.url, endpoint.url_from, variables, target)
    except ValueError as error:
        raise InputError(f"{service.name}: {error}", hint="Correct the URL; nothing was asked.") from None
    if address is None:
        unused[service.name] = f"{endpoint.url_from} is not set"
        return None
    if service.shape.security.tls == "required" and address.lacks_tls:
        raise InputError(
            f"{service.name}: {address.shown} is without TLS, which its security policy requires",
            hint=f"Give it a URL of {WITH_TLS[address.scheme]}://; nothing was asked.",
        )
    if health is None:
        return None
    if address.scheme not in PROBES[health.probe]:
        whose = "the target" if endpoint.url == TARGET else f"the environment variable {endpoint.url_from}"
        raise InputError(
            f"{service.name} is asked by {health.probe}, which does not fit {whose}: {address.shown}",
            hint=f"It needs a URL that starts with {' or '.join(f'{each}://' for each in PROBES[health.probe])}.",
        )
    try:
        tls = trusted(service.ca_file) if address.uses_tls or _begins_tls(service, address) else None
    except ValueError as error:
        raise InputError(f"{service.name}: {error}", hint="Correct the file; nothing was asked.") from None
    return Probe(service.name, address, exchange_for(health, address), health.timeout, tls)


def _begins_tls(service: Service, address: Address) -> bool:
    """Whether a session of PostgreSQL goes over TLS, which its URL does not say: required beyond this machine, or by an authority."""
    security = service.shape.security
    required = security.ca_file is not None or (security.tls == "required" and not address.is_loopback)
    return address.scheme == "postgresql" and required
