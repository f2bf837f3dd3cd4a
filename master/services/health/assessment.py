"""From the answers of services to the health of each, with that of what it depends on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from master.services.model import Service


class State(StrEnum):
    """The health of one service."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    """It does not answer as it should."""
    AFFECTED = "affected"
    """It depends on one that is unhealthy."""
    UNUSED = "unused"
    """The environment variable that would have its URL is not set; what depends on it does without."""


@dataclass(frozen=True)
class ServiceHealth:
    """One service's health. `because` names the unhealthy ones that it depends on, directly or not."""

    service: Service
    state: State
    detail: str = ""
    because: tuple[str, ...] = ()
    answer_s: float | None = None
    """How long its answer took; None where it was not asked."""

    @property
    def is_well(self) -> bool:
        """Whether it works, or is not used at all."""
        return self.state in {State.HEALTHY, State.UNUSED}


@dataclass(frozen=True)
class Asked:
    """What one service answered."""

    healthy: bool
    detail: str
    answer_s: float


def assess(
    services: Iterable[Service], answers: Mapping[str, Asked], unused: Mapping[str, str]
) -> dict[str, ServiceHealth]:
    """The health of each of `services`, which are in order and with all that they depend on.

    `unused` are those that are not used, each with the reason. One that was not asked is as healthy as what it depends on.
    """
    found: dict[str, ServiceHealth] = {}
    for service in services:
        name = service.name
        if name in unused:
            found[name] = ServiceHealth(service, State.UNUSED, unused[name])
            continue
        because = _roots(found[other] for other in service.depends_on)
        asked = answers.get(name)
        answer_s = None if asked is None else asked.answer_s
        if asked is not None and not asked.healthy:
            found[name] = ServiceHealth(service, State.UNHEALTHY, asked.detail, because, answer_s)
        elif because:
            found[name] = ServiceHealth(service, State.AFFECTED, f"depends on {', '.join(because)}", because, answer_s)
        else:
            detail = asked.detail if asked is not None else "by what it depends on"
            found[name] = ServiceHealth(service, State.HEALTHY, detail, (), answer_s)
    return found


def affected_by(name: str, found: Mapping[str, ServiceHealth]) -> list[str]:
    """The services that depend on the unhealthy `name`, directly or not."""
    return [other for other, health in found.items() if name in health.because]


def describe_unhealthy(health: ServiceHealth, found: Mapping[str, ServiceHealth]) -> str:
    """`database (postgresql: connection refused)`: what is wrong with a service, down to where it begins."""
    if health.state is State.UNHEALTHY:
        return f"{health.service.name} ({health.detail})"
    roots = "; ".join(f"{root}: {found[root].detail}" for root in health.because)
    return f"{health.service.name} ({roots})"


def _roots(dependencies: Iterable[ServiceHealth]) -> tuple[str, ...]:
    roots: list[str] = []
    for each in dependencies:
        roots += [*each.because, *([each.service.name] if each.state is State.UNHEALTHY else [])]
    return tuple(dict.fromkeys(roots))
