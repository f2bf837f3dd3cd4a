"""From a folder of service files to a `Catalogue`, or to one InputError that names every fault with its file and line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from master.errors import InputError, list_faults
from master.scenario.schema.base import check_service_name
from master.scenario.suggest import did_you_mean
from master.services.faults import note_findings
from master.services.health.certificates import trust
from master.services.model import Catalogue, Service
from master.services.order import DependencyCycleError, dependency_order
from master.services.schema import KINDS, DatabaseShape, PartShape, ServiceShape
from master.yaml_file.document import Document, Place, format_place, read_document

MAX_SERVICES = 500
"""In one folder, with the stores of databases: each that is asked has a thread for a moment."""
_HINT = "Correct the files; nothing was asked, and nothing was started."


@dataclass
class _Found:
    """What has been read so far: services with the document and the place of each, and files that are no YAML at all."""

    documents: list[Document] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    services: dict[str, Service] = field(default_factory=dict)
    places: dict[str, tuple[Document, Place]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    """Names of services in files that have faults: not known, and not unknown."""

    def add(self, service: Service, document: Document, place: Place) -> None:
        if service.name in self.places:
            other, at = self.places[service.name]
            document.fault(place, f"{service.name!r} is the name of a service in {other.file}:{other.line_of(at)}, too")
            return
        self.services[service.name] = service
        self.places[service.name] = (document, place)
        if service.ca_file is not None:
            try:
                trust(service.ca_file)
            except ValueError as error:
                document.fault((*place, "security", "ca_file"), str(error))


def load_services(folder: Path) -> Catalogue:
    """The services of the files `*.yml` in `folder`, in the order of what they depend on. Raises InputError with all faults."""
    found = _Found()
    for file in _files(folder):
        try:
            document = read_document(file)
        except InputError as error:
            found.unreadable.append(error.message)
            found.named.add(file.stem)
            continue
        found.documents.append(document)
        _read(document, found)
    if len(found.services) > MAX_SERVICES:
        raise InputError(f"{folder} has {len(found.services)} services, and {MAX_SERVICES} are the most")
    _check_dependencies(found)
    order = _order(found)
    _raise(folder, found)
    return Catalogue(folder, {name: found.services[name] for name in order})


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder of services", hint="Name the folder with the files of the services.")
    files = sorted(folder.glob("*.yml"))
    if not files:
        raise InputError(f"{folder} has no service in it", hint="A service is a file that ends in .yml.")
    if len(files) > MAX_SERVICES:
        raise InputError(f"{folder} has {len(files)} files, and {MAX_SERVICES} services are the most")
    return files


def _read(document: Document, found: _Found) -> None:
    """Read one file's service, and its stores where it is a database."""
    stem, data = document.file.stem, document.data
    assert isinstance(data, dict)  # read_document sees to it
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = did_you_mean(str(kind), KINDS) if kind is not None else ""
        said = f"{kind!r:.60} is no kind of service" if "kind" in data else "required, but not given"
        document.fault(("kind",), f"{said}{near} (known: {', '.join(KINDS)})")
        found.named.add(stem)
        return
    try:
        check_service_name(stem)
        shape = KINDS[kind].model_validate(data)
    except ValidationError as findings:
        note_findings(document, KINDS[kind], findings)
        found.named |= {stem, *_keys(data.get("stores"))}
        return
    except ValueError as error:
        document.fault((), f"the file's own name: {error}")
        return
    if shape.name not in {None, stem}:
        document.fault(
            ("name",), f"{shape.name!r} is not the file's own name, {stem!r}: leave it out, or rename the file"
        )
    _add(document, shape, stem, found)


def _keys(stores: object) -> list[str]:
    return list(stores) if isinstance(stores, dict) else []


def _add(document: Document, shape: ServiceShape, name: str, found: _Found) -> None:
    depends_on = [*shape.depends_on]
    if isinstance(shape, DatabaseShape):
        for store, part in shape.stores.items():
            found.add(_service(document, store, part.engine, part, part.depends_on), document, ("stores", store))
        depends_on += shape.stores
    found.add(_service(document, name, shape.kind, shape, depends_on), document, ())


def _service(document: Document, name: str, kind: str, shape: PartShape, depends_on: list[str]) -> Service:
    return Service(name, kind, document.file, shape, tuple(dict.fromkeys(depends_on)))


def _check_dependencies(found: _Found) -> None:
    known = {*found.services, *found.named}
    for name, service in found.services.items():
        document, place = found.places[name]
        for index, other in enumerate(service.shape.depends_on):
            if other not in known:
                listed = ", ".join(sorted(known))
                text = f"there is no service {other!r}{did_you_mean(other, known)} (known: {listed})"
                document.fault((*place, "depends_on", index), text)
            elif other in found.services and found.services[other].kind == "payment" and service.kind != "payment":
                text = f"{other!r} is a payment service, which nothing that is put under load may depend on"
                document.fault((*place, "depends_on", index), text)


def _order(found: _Found) -> list[str]:
    """The order of what is known; a circle is a fault of the file of its first service."""
    depends_on = {
        name: [other for other in service.depends_on if other in found.services]
        for name, service in found.services.items()
    }
    try:
        return dependency_order(depends_on)
    except DependencyCycleError as error:
        first, second = error.path[:2]
        document, place = found.places[first]
        written = found.services[first].shape.depends_on
        at: Place = ("depends_on", written.index(second)) if second in written else ()
        document.fault((*place, *at), f"services {error}")
        return []


def _raise(folder: Path, found: _Found) -> None:
    rows = [*found.unreadable]
    for document in found.documents:
        faults = sorted(document.faults, key=lambda fault: (fault.line, format_place(fault.place)))
        rows += [f"{document.file}:{fault.line}: {fault}" for fault in faults]
    if len(rows) == 1:
        raise InputError(rows[0], hint=_HINT)
    if rows:
        raise InputError(f"{folder}: {len(rows)} faults\n{list_faults(rows, len(rows))}", hint=_HINT)
