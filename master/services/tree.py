"""The health of services as a tree for people, and as JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from master.scenario.units import format_latency
from master.services.health.assessment import ServiceHealth, State, affected_by

SCHEMA = "piswarm/services/1"
_NAME_COLUMNS = 36
_SIGNS = {State.HEALTHY: "✓", State.UNHEALTHY: "✗", State.AFFECTED: "!", State.UNUSED: "-"}


def draw_tree(found: Mapping[str, ServiceHealth]) -> list[str]:
    """Lines: first the services that nothing depends on, below each what it depends on, once in full."""
    needed = {other for health in found.values() for other in health.service.depends_on}
    drawn: set[str] = set()
    lines: list[str] = []
    for name in sorted(set(found) - needed):
        lines += _branch(name, found, drawn, "", "")
    return lines


def _branch(name: str, found: Mapping[str, ServiceHealth], drawn: set[str], lead: str, indent: str) -> Iterator[str]:
    health = found[name]
    again = name in drawn and bool(health.service.depends_on)
    drawn.add(name)
    took = "" if health.answer_s is None else f", {format_latency(round(1000 * health.answer_s, 1))}"
    text = f"{lead}{_SIGNS[health.state]} {name}"
    yield f"{text:<{_NAME_COLUMNS}} {health.state.value:<9}  {'as above' if again else health.detail + took}"
    if again:
        return
    below = health.service.depends_on
    for index, other in enumerate(below):
        last = index == len(below) - 1
        yield from _branch(
            other, found, drawn, f"{indent}{'└─' if last else '├─'} ", f"{indent}{'   ' if last else '│  '}"
        )


def summarize(found: Mapping[str, ServiceHealth]) -> list[str]:
    """A line for each unhealthy service with all that depends on it, or one that all is well."""
    lines = [
        f"unhealthy: {name}: {health.detail}; depends on it: {', '.join(affected_by(name, found)) or 'nothing'}"
        for name, health in found.items()
        if health.state is State.UNHEALTHY
    ]
    if lines:
        return lines
    healthy = sum(health.state is State.HEALTHY for health in found.values())
    return [f"{healthy} healthy, {len(found) - healthy} not used"]


def as_json(found: Mapping[str, ServiceHealth]) -> dict[str, object]:
    """All of it, in the order of dependency."""
    return {
        "schema": SCHEMA,
        "healthy": all(health.is_well for health in found.values()),
        "services": [
            {
                "name": name,
                "kind": health.service.kind,
                "state": health.state.value,
                "detail": health.detail,
                "answer_ms": None if health.answer_s is None else round(1000 * health.answer_s, 3),
                "depends_on": list(health.service.depends_on),
                "because": list(health.because),
                "affects": affected_by(name, found),
                "external": health.service.shape.external,
                "under_load": health.service.under_load,
            }
            for name, health in found.items()
        ],
    }
