"""The services that a scenario requires, and that nothing of a run reaches payment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from master.errors import InputError, list_faults
from master.scenario import EMBEDDED, Scenario
from master.scenario.suggest import did_you_mean
from master.services.health.assessment import ServiceHealth, describe_unhealthy
from master.services.health.check import Questions, prepare_questions
from master.services.loader import load_services
from master.services.model import Catalogue, Service
from master.services.payment.named_hosts import hosts_in
from master.services.payment.rules import Mention, find_payment_mentions, find_payment_target, payment_services
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
    file: Path | None, scenario: Scenario, folder: Path, variables: Mapping[str, str], mentions: Sequence[Mention] = ()
) -> RequiredServices | None:
    """What `scenario`, read from `file` or said by a command line, requires of the services in `folder`; None where it requires none.

    `mentions` are those of its locustfile. Raises InputError where a service is not there or not in use, and where payment would be put
    under load. A folder that does not exist is none where nothing is required.
    """
    catalogue = load_services(folder) if scenario.require or folder.is_dir() else None
    mentions = [*mentions, *_mentions_of(file, scenario)]
    for target in scenario.targets:
        _keep_payment_apart(target, mentions, catalogue, variables)
    if catalogue is None or not scenario.require:
        return None
    _check_names(file, scenario.require, catalogue, variables)
    required = RequiredServices(scenario.require, tuple(catalogue.closure(scenario.require)), variables)
    required.questions(_ANY_TARGET if scenario.target == EMBEDDED else scenario.target)
    return required


def _check_names(file: Path | None, names: Sequence[str], catalogue: Catalogue, variables: Mapping[str, str]) -> None:
    document = _document(file)
    written = document.data.get("require") if isinstance(document.data, dict) else None
    said = []
    for index, name in enumerate(names):
        fault = _fault_of(name, catalogue, variables)
        if fault is None:
            continue
        if isinstance(written, list) and name in written:
            document.fault(("require", index), fault)
        else:
            said.append(f"--require: {fault}")
    document.raise_faults()
    if said:
        raise InputError("\n".join(said), hint="Name other services; nothing was started.")


def _document(file: Path | None) -> Document:
    return Document(Path("the command line"), {}, {(): 1}) if file is None else read_document(file)


def _fault_of(name: str, catalogue: Catalogue, variables: Mapping[str, str]) -> str | None:
    """Why a service can't be required; None where it can."""
    service = catalogue.services.get(name)
    if service is None:
        listed = ", ".join(sorted(catalogue.services))
        near = did_you_mean(name, catalogue.services)
        return f"there is no service {name!r} in {catalogue.folder}{near} (known: {listed})"
    if not service.under_load:
        return f"{name!r} is a payment service, which no performance test may have to do with"
    if service.variable is not None and not variables.get(service.variable, "").strip():
        return f"{name!r} is not in use: the environment variable {service.variable}, its URL, is not set"
    return None


def _mentions_of(file: Path | None, scenario: Scenario) -> Iterator[Mention]:
    """What the scenario itself names: values of the locustfile's own options, and environment variables."""
    if not (scenario.arguments or scenario.environment):
        return
    document = _document(file)
    file = document.file
    for name, value in scenario.arguments.items():
        line = document.line_of(("arguments", name))
        for text in value if isinstance(value, list) else [str(value)]:
            yield from (Mention(file, line, host, port) for host, port in hosts_in(text))
    for index, variable in enumerate(scenario.environment):
        yield Mention(file, document.line_of(("environment", index)), variable=variable)


def _keep_payment_apart(
    target: str, mentions: Sequence[Mention], catalogue: Catalogue | None, variables: Mapping[str, str]
) -> None:
    try:
        payment = payment_services(catalogue, variables, target)
    except ValueError as error:
        raise InputError(str(error), hint="Correct the URL. Nothing was sent.") from None
    if fault := find_payment_target(target, payment):
        raise InputError(fault, hint="Name another target. Nothing was sent.")
    rows = find_payment_mentions(mentions, payment)
    hint = "Take it out. Nothing was sent."
    if len(rows) == 1:
        raise InputError(rows[0], hint=hint)
    if rows:
        raise InputError(f"{len(rows)} places that name a payment service\n{list_faults(rows, len(rows))}", hint=hint)
