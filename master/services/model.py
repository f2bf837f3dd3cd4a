"""Services as they are once their files are read: typed, checked, in the order of what they depend on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from master.services.schema import PartShape


@dataclass(frozen=True)
class Service:
    """One service. `shape` is all that its file says."""

    name: str
    kind: str
    file: Path
    shape: PartShape
    depends_on: tuple[str, ...] = ()

    @property
    def under_load(self) -> bool:
        """Whether a performance test may have to do with it; never true of payment."""
        return self.kind != "payment"

    @property
    def ca_file(self) -> Path | None:
        """The file with the authorities that its certificate must be of; None for those of the system."""
        written = self.shape.security.ca_file
        return None if written is None else self.file.parent / written

    @property
    def variable(self) -> str | None:
        """The environment variable that has its URL; None where its file has it."""
        return None if self.shape.endpoint is None else self.shape.endpoint.url_from


@dataclass(frozen=True)
class Catalogue:
    """All services, each after those that it depends on."""

    folder: Path
    services: Mapping[str, Service]

    def closure(self, names: Iterable[str]) -> list[Service]:
        """The services of these `names` and all that they depend on, directly or not, in order."""
        wanted, left = set[str](), list(names)
        while left:
            name = left.pop()
            if name not in wanted:
                wanted.add(name)
                left += self.services[name].depends_on
        return [service for name, service in self.services.items() if name in wanted]
