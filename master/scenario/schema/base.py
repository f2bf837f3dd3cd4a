"""What the shapes of a scenario's parts have in common: quantities with their units and ranges."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator

from master.scenario.units import (
    format_duration,
    format_temperature,
    parse_duration,
    parse_excess,
    parse_latency,
    parse_percent,
    parse_temperature,
)

MAX_USERS = 10_000_000


def duration(min_s: float, max_s: float) -> Callable[[object], float]:
    """A parser of seconds within a range, which raises ValueError."""

    def parse(value: object) -> float:
        seconds = parse_duration(value)
        if not min_s <= seconds <= max_s:
            raise ValueError(f"{value!r} is not from {format_duration(min_s)} to {format_duration(max_s)}")
        return seconds

    return parse


def temperature(min_c: float, max_c: float) -> Callable[[object], float]:
    """A parser of degrees Celsius within a range, which raises ValueError."""

    def parse(value: object) -> float:
        degrees = parse_temperature(value)
        if not min_c <= degrees <= max_c:
            raise ValueError(f"{value!r} is not from {format_temperature(min_c)} to {format_temperature(max_c)}")
        return degrees

    return parse


def max_length(count: int) -> BeforeValidator:
    """Refuse a collection of more than `count` things before each of them is checked."""

    def check(value: object) -> object:
        if isinstance(value, list | dict) and len(value) > count:
            raise ValueError(f"holds {len(value)} entries: {count} are the most")
        return value

    return BeforeValidator(check)


def check_service_name(name: str) -> str:
    """`name` if it can name a service; else ValueError."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name):
        raise ValueError(f"{name!r:.80} is no name of a service: use a to z, 0 to 9 and -, 63 at most, a letter first")
    return name


ServiceName = Annotated[str, AfterValidator(check_service_name)]
Duration = Annotated[float, PlainValidator(parse_duration)]
Latency = Annotated[float, PlainValidator(parse_latency)]
Percent = Annotated[float, PlainValidator(parse_percent)]
Excess = Annotated[float, PlainValidator(parse_excess)]
Temperature = Annotated[float, PlainValidator(parse_temperature)]


class Shape(BaseModel):
    """A mapping of which every key is known."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
