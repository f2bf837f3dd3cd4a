"""The `soak` section: how fast what may drift at most. Rates are per day; shorter spans are read as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import PlainValidator

from master.scenario.schema.base import Shape
from master.scenario.units import parse_bytes_per_day, parse_percent_per_day, parse_temperature_per_day


def _some(parse: Callable[[object], float]) -> PlainValidator:
    def check(value: object) -> float:
        per_day = parse(value)
        if per_day == 0:
            raise ValueError(f"{value!r} must be more than 0: no measurement can show that nothing drifts at all")
        return per_day

    return PlainValidator(check)


BytesPerDay = Annotated[float, _some(parse_bytes_per_day)]
PercentPerDay = Annotated[float, _some(parse_percent_per_day)]


class SoakShape(Shape):
    """The `soak` section; a metric that is not given has no limit."""

    p95: PercentPerDay | None = None
    errors: PercentPerDay | None = None
    target_memory: BytesPerDay | None = None
    node_memory: BytesPerDay | None = None
    controller_memory: BytesPerDay | None = None
    node_temperature: Annotated[float, _some(parse_temperature_per_day)] | None = None
