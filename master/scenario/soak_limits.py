"""What a scenario allows to drift in a soak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from master.scenario.schema.soak import SoakShape
from master.scenario.units import format_bytes_per_day, format_percent_per_day, format_temperature_per_day


@dataclass(frozen=True, slots=True)
class SoakLimits:
    """How fast what may drift at most, per day; None: it is looked at, and has no limit."""

    p95_percent: float | None = None
    """Of where it began."""
    errors_percent: float | None = None
    """Percentage points of all requests."""
    target_memory_bytes: float | None = None
    node_memory_bytes: float | None = None
    """Of each node."""
    controller_memory_bytes: float | None = None
    """Of the controller's own process."""
    node_temperature_c: float | None = None

    @classmethod
    def of(cls, shape: SoakShape) -> SoakLimits:
        """Those of a section that has been read."""
        return cls(
            shape.p95,
            shape.errors,
            shape.target_memory,
            shape.node_memory,
            shape.controller_memory,
            shape.node_temperature,
        )

    @property
    def per_day(self) -> dict[str, float]:
        """The limits by metric, as a scenario names it; those that there are."""
        found = {each.name.rpartition("_")[0]: getattr(self, each.name) for each in fields(self)}
        return {name: limit for name, limit in found.items() if limit is not None}

    def keys(self) -> dict[str, str]:
        """The section of a scenario file."""
        return {name: _SOAK_FORMATS[name](limit) for name, limit in self.per_day.items()}


_SOAK_FORMATS: Mapping[str, Callable[[float], str]] = {
    "p95": format_percent_per_day,
    "errors": format_percent_per_day,
    "target_memory": format_bytes_per_day,
    "node_memory": format_bytes_per_day,
    "controller_memory": format_bytes_per_day,
    "node_temperature": format_temperature_per_day,
}
