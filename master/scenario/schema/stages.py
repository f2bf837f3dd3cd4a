"""The shape of an item of `load`: a stage of the closed model, or of the open one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, PlainValidator, Tag

from master.scenario.load_stages import OpenStage, Sine, Spike, Stage
from master.scenario.schema.base import MAX_USERS, Duration, Shape, duration, max_length
from master.scenario.suggest import RATE_WORDS, did_you_mean
from master.scenario.units import MAX_DURATION_S, format_rate, parse_rate

MAX_RATE_PER_S = 10_000_000.0
"""Arrivals per second: more than any fleet of MAX_NODES of such nodes is likely to have a target for."""
MIN_PERIOD_S = 0.1
"""Of a sine: a shorter one can't be seen in figures of whole seconds."""
MIN_SPIKE_S = 0.001
MAX_SPAWN_RATE = 1_000_000  # users per second
_MAX_SPIKES = 100  # of a stage: segments of the curve that every node is sent


def _rate(value: object) -> float:
    rate_per_s = parse_rate(value)
    if rate_per_s > MAX_RATE_PER_S:
        raise ValueError(f"{value!r} is more than a rate of arrivals may be ({format_rate(MAX_RATE_PER_S)})")
    return rate_per_s


def _amplitude(value: object) -> float:
    if not (amplitude_per_s := _rate(value)):
        raise ValueError(f"{value!r} must be more than 0/s")
    return amplitude_per_s


def _arrivals(value: object) -> str:
    if value in ("even", "poisson"):
        return str(value)
    raise ValueError(f"{value!r:.60} is neither even nor poisson{did_you_mean(str(value), ('even', 'poisson'))}")


def _in_list(value: object) -> object:
    """One spike may stand without a list."""
    return [value] if isinstance(value, dict) else value


Rate = Annotated[float, PlainValidator(_rate)]


class StageShape(Shape):
    """One item of a `load` of the closed model."""

    users: Annotated[int, Field(ge=0, le=MAX_USERS)]
    spawn_rate: Annotated[float, Field(gt=0, le=MAX_SPAWN_RATE)]
    hold: Duration

    def stage(self) -> Stage:
        """The stage."""
        return Stage(self.users, self.spawn_rate, self.hold)


class SineShape(Shape):
    """The `sine` of an open stage."""

    amplitude: Annotated[float, PlainValidator(_amplitude)]
    period: Annotated[float, PlainValidator(duration(MIN_PERIOD_S, MAX_DURATION_S))]


class SpikeShape(Shape):
    """One `spike` of an open stage. `for` is a word of Python's."""

    rate: Rate
    at: Duration
    for_: Annotated[float, PlainValidator(duration(MIN_SPIKE_S, MAX_DURATION_S)), Field(alias="for")]


class OpenStageShape(Shape):
    """One item of a `load` of the open model."""

    rate: Rate
    ramp: Duration = 0.0
    hold: Duration
    max_users: Annotated[int, Field(ge=1, le=MAX_USERS)]
    arrivals: Annotated[str, PlainValidator(_arrivals)] = "even"
    sine: SineShape | None = None
    spike: Annotated[list[SpikeShape], BeforeValidator(_in_list), max_length(_MAX_SPIKES)] = Field(default_factory=list)

    def stage(self) -> OpenStage:
        """The stage."""
        return OpenStage(
            self.rate,
            self.max_users,
            self.hold,
            self.ramp,
            self.arrivals == "poisson",
            None if self.sine is None else Sine(self.sine.amplitude, self.sine.period),
            tuple(Spike(spike.rate, spike.at, spike.for_) for spike in self.spike),
        )


OPEN_KEYS = frozenset(OpenStageShape.model_fields) - {"hold"}
CLOSED_KEYS = frozenset(StageShape.model_fields) - {"hold"}


def model_of(item: object) -> Literal["open", "closed"]:
    """The model of an item of `load`, by its keys; one with a rate is of the open one, whatever else it has.

    Without any key of either, a word of another tool for a rate tells the open one.
    """
    if not isinstance(item, dict):
        return "closed"
    says_rate = any(str(key).lower() in RATE_WORDS for key in item)
    if OPEN_KEYS.isdisjoint(item) and not says_rate:
        return "closed"
    return "open" if "rate" in item or CLOSED_KEYS.isdisjoint(item) else "closed"


AnyStage = Annotated[
    Annotated[StageShape, Tag("closed")] | Annotated[OpenStageShape, Tag("open")], Discriminator(model_of)
]
