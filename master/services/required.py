"""The services that a scenario requires, and that payment is never put under load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from master.errors import InputError
from master.scenario import EMBEDDED, Scenario
from master.scenario.suggest import did_you_mean
from master.services.addresses import PORTS, address_of
from master.services.check import Questions, prepare_questions
from master.services.health import ServiceHealth, describe_unhealthy
from master.services.loader import load_services
from master.services.model import Catalogue, Service
from master.services.tron import is_public_host
from master.yaml_file.document import Document, read_document

_ANY_TARGET = "http://127.0.0.1:1"
"""In place of the embedded target, of which only the scheme is known before it is started."""


@dataclass(frozen=True)
class RequiredServices:
    """Services that must be healthy: their `names`, and with all that they depend on in order."""

    names: tuple[str, ...]
    services: tuple[Service, ...]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment, which has URLs with passwords in them."""

    def questions(self, target: str) -> Questions:
        """What to ask of them, with the target at this URL. Raises InputError."""
        return prepare_questions(self.services, self.variables, target)

    def find_unhealthy(self, found: Mapping[str, ServiceHealth]) -> dict[str, str]:
        """Those of the names that are not healthy, each with the reason down to where it begins."""
        return {name: describe_unhealthy(found[name], found) for name in self.names if not found[name].is_well}


def resolve_required(
    file: Path, scenario: Scenario, folder: Path, variables: Mapping[str, str]
) -> RequiredServices | None:
    """What `scenario`, read from `file`, requires of the services in `folder`; None where it requires none.

    Raises InputError where a service is not there or not in use, and where payment would be put under load. A folder that does not
    exist is none where nothing is required.
    """
    catalogue = load_services(folder) if scenario.require or folder.is_dir() else None
    if fault := find_payment_fault(scenario.target, catalogue, variables):
        raise InputError(fault, hint="Name another target. Nothing was sent.")
    if catalogue is None or not scenario.require:
        return None
    document = read_document(file)
    for index, name in enumerate(scenario.require):
        _check_name(document, index, name, catalogue, variables)
    document.raise_faults()
    required = RequiredServices(scenario.require, tuple(catalogue.closure(scenario.require)), variables)
    required.questions(_ANY_TARGET if scenario.target == EMBEDDED else scenario.target)
    return required


def _check_name(document: Document, index: int, name: str, catalogue: Catalogue, variables: Mapping[str, str]) -> None:
    place = ("require", index)
    service = catalogue.services.get(name)
    if service is None:
        listed = ", ".join(sorted(catalogue.services))
        near = did_you_mean(name, catalogue.services)
        document.fault(place, f"there is no service {name!r} in {catalogue.folder}{near} (known: {listed})")
    elif not service.under_load:
        document.fault(place, f"{name!r} is a payment service, which no performance test may have to do with")
    elif service.variable is not None and not variables.get(service.variable, "").strip():
        document.fault(
            place, f"{name!r} is not in use: the environment variable {service.variable}, its URL, is not set"
        )


def find_payment_fault(target: str, catalogue: Catalogue | None, variables: Mapping[str, str]) -> str | None:
    """Why `target` must not be put under load: it is a payment service; None when it is none."""
    try:
        parts = urlsplit(target)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None  # no URL, which others say
    if is_public_host(host):
        return f"the target {host} is a public node of TRON: payment is never put under load"
    for service in () if catalogue is None else catalogue.services.values():
        endpoint = service.shape.endpoint
        if service.under_load or endpoint is None:
            continue
        try:
            address = address_of(endpoint.url, endpoint.url_from, variables, target)
        except ValueError as error:
            return f"{service.name}: {error}, so it can't be seen that the target is not this payment service"
        if address is not None and (address.host.rstrip("."), address.port) == (host.rstrip("."), port):
            return f"the target {host}:{port} is the payment service {service.name!r}, which is never put under load"
    return None
