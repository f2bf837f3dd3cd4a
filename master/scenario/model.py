"""The validated content of a scenario. Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from master.scenario.rules import Endpoint, Threshold
from master.scenario.units import format_duration, format_latency, format_percent, format_temperature
from master.yaml_file.writer import dump_yaml
from worker.wire.messages import Tracing, UserShare

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the load: go to `users` at `spawn_rate` users per second, up or down, then hold for `hold_s`."""

    users: int
    spawn_rate: float
    hold_s: float

    def ramp_s(self, from_users: int) -> float:
        """Planned duration of the ramp from `from_users`, in seconds."""
        return abs(self.users - from_users) / self.spawn_rate


@dataclass(frozen=True, slots=True)
class Spike:
    """A stretch of an open stage's hold with a rate of its own."""

    rate_per_s: float
    at_s: float
    """Seconds after the hold's start."""
    for_s: float


@dataclass(frozen=True, slots=True)
class Sine:
    """A sine on top of an open stage's rate while it is held."""

    amplitude_per_s: float
    period_s: float


@dataclass(frozen=True, slots=True)
class OpenStage:
    """One stage of the open model: go to `rate_per_s` arrivals per second within `ramp_s`, then hold for `hold_s`.

    At most `max_users` users of the whole fleet are busy at a time.
    """

    rate_per_s: float
    max_users: int
    hold_s: float
    ramp_s: float = 0.0
    poisson: bool = False
    """Whether arrivals are a Poisson process; else they are even."""
    sine: Sine | None = None
    spikes: tuple[Spike, ...] = ()


LoadStage = Stage | OpenStage


def ramps_s(stages: Sequence[Stage]) -> list[float]:
    """The planned length of each stage's ramp, starting with no users."""
    before = [0, *(stage.users for stage in stages)]
    return [stage.ramp_s(from_users) for stage, from_users in zip(stages, before, strict=False)]


def find_mix_fault(users: Mapping[str, UserShare], peak: int) -> str | None:
    """Why `peak` users can't be made up of `users`, or None when they can."""
    fixed = sum(share.fixed_count for share in users.values())
    if fixed > peak:
        return f"the fixed counts add up to {fixed}, more than the {peak} users of the largest stage"
    if fixed < peak and not any(share.weight for share in users.values()):
        return f"the fixed counts add up to {fixed}, so {peak} users are never reached: give a class a weight"
    return None


@dataclass(frozen=True, slots=True)
class ExpectedNodes:
    """Number of nodes that the run wants, the least that suffice, and how long to wait for them."""

    expect: int = 1
    min: int = 1
    wait_s: float = 60.0


DEFAULT_FLEET: Mapping[str, float] = {"pi4-heatsink": 1, "pi5-cooled": 1}
"""Default kinds of simulated nodes (worker.simulation.boards.KINDS), by weight."""


@dataclass(frozen=True, slots=True)
class SimulatedRack:
    """The rack of simulated nodes. `spread_c` is from the coolest place, which has `ambient_c`, to the warmest.

    `request_cpu_s` is the CPU that a request costs on a Pi 4's core at full clock; None is what it costs this machine, scaled.
    Boards warm up and cool down `thermal_speed` times as fast as real ones.
    """

    ambient_c: float = 24.0
    spread_c: float = 4.0
    weak_supply_percent: float = 0.0
    request_cpu_s: float | None = None
    thermal_speed: float = 1.0


@dataclass(frozen=True, slots=True)
class ValidityLimits:
    """Limits beyond which the generator is not fit to measure."""

    loop_lag_p99_ms: float = 50.0
    worker_cpu_percent: float = 90.0
    node_cpu_percent: float = 90.0
    node_memory_percent: float = 90.0
    node_temperature_c: float = 80.0
    """From there a Raspberry Pi's firmware lowers the clock."""
    throttling_percent: float = 5.0
    """Of all node-seconds; so for under-voltage."""
    under_voltage_percent: float = 5.0
    throttling_may_be_unknown: bool = False
    """Whether a Raspberry Pi of which it is not known whether it is throttled may count as fit."""
    controller_cpu_percent: float = 95.0
    clock_error_ms: float = 250.0
    latency_error_percent: float = 1.0
    """Of p50 to p99, beside 0.2 ms."""
    missing_samples_percent: float = 5.0
    excluded_share_percent: float = 5.0
    users_percent: float = 99.0
    """At least so much of the user-seconds that were wanted must have run."""
    local_errors: int = 0
    """At most so many requests may fail for want of what the generator's own machines have to give, such as ports."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run's plan. `target` is "embedded" or a URL; `locustfile` is absolute."""

    name: str
    target: str
    users: Mapping[str, UserShare]
    load: tuple[Stage, ...]
    description: str = ""
    seed: int = 0
    nodes: ExpectedNodes = ExpectedNodes()
    fleet: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_FLEET))
    rack: SimulatedRack = SimulatedRack()
    thresholds: tuple[Threshold, ...] = ()
    validity: ValidityLimits = ValidityLimits()
    sample_period_s: float = 1.0
    stop_timeout_s: float = 10.0
    locustfile: Path | None = None
    tracing: Tracing | None = None
    """None: no request is traced."""

    @property
    def max_users(self) -> int:
        """The users of the largest stage."""
        return max(stage.users for stage in self.load)

    @property
    def endpoints_judged(self) -> list[Endpoint]:
        """The endpoints that have a threshold of their own."""
        return [rule.endpoint for rule in self.thresholds if rule.endpoint is not None]

    def to_yaml(self) -> str:
        """A scenario file that `load_scenario` reads back to an equal scenario, with every default spelled out."""
        limits = self.validity
        content: dict[str, object] = {
            "name": self.name,
            "description": self.description,
            "seed": self.seed,
            "target": self.target,
            "locustfile": None if self.locustfile is None else str(self.locustfile),
            "users": {name: _share(share) for name, share in self.users.items()},
            "load": [
                {
                    "users": stage.users,
                    "spawn_rate": _number(stage.spawn_rate),
                    "hold": format_duration(stage.hold_s),
                }
                for stage in self.load
            ],
            "nodes": {"expect": self.nodes.expect, "min": self.nodes.min, "wait": format_duration(self.nodes.wait_s)},
            "fleet": {kind: _number(weight) for kind, weight in self.fleet.items()},
            "rack": _rack(self.rack),
            "thresholds": [threshold.text for threshold in self.thresholds],
            "validity": {
                "loop_lag_p99": format_latency(limits.loop_lag_p99_ms),
                "worker_cpu": format_percent(limits.worker_cpu_percent),
                "node_cpu": format_percent(limits.node_cpu_percent),
                "node_memory": format_percent(limits.node_memory_percent),
                "node_temperature": format_temperature(limits.node_temperature_c),
                "throttling": format_percent(limits.throttling_percent),
                "throttling_may_be_unknown": limits.throttling_may_be_unknown,
                "under_voltage": format_percent(limits.under_voltage_percent),
                "controller_cpu": format_percent(limits.controller_cpu_percent),
                "clock_error": format_latency(limits.clock_error_ms),
                "latency_error": format_percent(limits.latency_error_percent),
                "missing_samples": format_percent(limits.missing_samples_percent),
                "excluded_share": format_percent(limits.excluded_share_percent),
                "users": format_percent(limits.users_percent),
                "local_errors": limits.local_errors,
            },
            "sample_period": format_duration(self.sample_period_s),
            "stop_timeout": format_duration(self.stop_timeout_s),
        }
        if self.locustfile is None:
            del content["locustfile"]
        if self.tracing is not None:
            sample = format_percent(self.tracing.sample_percent)
            content["tracing"] = {"endpoint": self.tracing.endpoint, "sample": sample}
        return dump_yaml(content)


def _rack(rack: SimulatedRack) -> dict[str, object]:
    content: dict[str, object] = {
        "ambient": format_temperature(rack.ambient_c),
        "spread": format_temperature(rack.spread_c),
        "weak_supply": format_percent(rack.weak_supply_percent),
        "thermal_speed": _number(rack.thermal_speed),
    }
    if rack.request_cpu_s is not None:
        content["request_cpu"] = format_duration(rack.request_cpu_s)
    return content


def _share(share: UserShare) -> float | str:
    return f"= {share.fixed_count}" if share.fixed_count else _number(share.weight)


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value
