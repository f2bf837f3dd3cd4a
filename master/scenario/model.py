"""The validated content of a scenario. Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from master.hooks.model import Hook
from master.scenario.load_stages import (
    LoadStage,
    OpenStage,
    ShapeLoad,
    Sine,
    Spike,
    Stage,
    find_mix_fault,
    most_users,
    ramps_s,
)
from master.scenario.locust_keys import format_share
from master.scenario.project_keys import LocustProject
from master.scenario.rules import Endpoint, Threshold
from master.scenario.soak_limits import SoakLimits
from master.scenario.units import (
    format_duration,
    format_latency,
    format_percent,
    format_rate,
    format_temperature,
)
from master.scenario.windows import DEFAULT_SAMPLE_PERIOD_S
from master.yaml_file.writer import dump_yaml
from worker.wire.rows import AtEnd, Use
from worker.wire.work import ArgumentValue, Tracing, UserShare

__all__ = [
    "DEFAULT_FLEET",
    "EMBEDDED",
    "ExpectedNodes",
    "LoadStage",
    "OpenStage",
    "Scenario",
    "ShapeLoad",
    "SimulatedRack",
    "Sine",
    "SoakLimits",
    "Spike",
    "Stage",
    "ValidityLimits",
    "find_mix_fault",
    "ramps_s",
]

EMBEDDED = "embedded"


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
    arrivals_percent: float = 1.0
    """Of all arrivals that were due in the open model: no more may be started late, or not at all, by the generator's fault."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """A table of rows that users take: an absolute path of a CSV or JSON lines file, and how its rows are used.

    `at_end` is what happens when all unique rows are used; without meaning for another use.
    """

    file: Path
    use: Use
    at_end: AtEnd = AtEnd.STOP_USER


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run's plan. `target` is "embedded" or a URL."""

    name: str
    target: str
    users: Mapping[str, UserShare]
    load: tuple[LoadStage, ...]
    """Stages of one model; of a `shape` none that is known before it runs."""
    description: str = ""
    seed: int = 0
    nodes: ExpectedNodes = ExpectedNodes()
    fleet: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_FLEET))
    rack: SimulatedRack = SimulatedRack()
    thresholds: tuple[Threshold, ...] = ()
    validity: ValidityLimits = ValidityLimits()
    sample_period_s: float = DEFAULT_SAMPLE_PERIOD_S
    stop_timeout_s: float = 10.0
    shape: ShapeLoad | None = None
    """The LoadTestShape that says how many users run; None where `load` does."""
    project: LocustProject | None = None
    """None: the user classes that come with piswarm."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Hosts of user classes that have several, where the scenario has no target: `target` is then the first of them."""
    arguments: Mapping[str, ArgumentValue] = field(default_factory=dict)
    """Values of the locustfile's own options."""
    tags: tuple[str, ...] | None = None
    exclude_tags: tuple[str, ...] | None = None
    environment: tuple[str, ...] = ()
    """Names of environment variables whose values nodes get, which are secrets."""
    tracing: Tracing | None = None
    """None: no request is traced."""
    data: Mapping[str, DataSource] = field(default_factory=dict)
    """Tables of rows by name."""
    require: tuple[str, ...] = ()
    """Services that must be healthy before the run, and while it is on."""
    hooks: tuple[Hook, ...] = ()
    """Who is told what of the run."""

    soak: SoakLimits | None = None
    """None: nobody asks whether anything drifted."""

    @property
    def targets(self) -> list[str]:
        """The target, or the hosts of user classes in its place, each once."""
        return list(dict.fromkeys(self.hosts.values())) or [self.target]

    @property
    def max_users(self) -> int:
        """The users of the largest stage: those that run, or those that may be busy in the open model."""
        return most_users(self.load)

    @property
    def open_model(self) -> bool:
        """Whether arrivals are offered, where in the closed model users wait for their answers."""
        return isinstance(self.load[0], OpenStage)

    @property
    def open_stages(self) -> tuple[OpenStage, ...]:
        """The stages of the open model; none in the closed one."""
        return tuple(stage for stage in self.load if isinstance(stage, OpenStage))

    @property
    def closed_stages(self) -> tuple[Stage, ...]:
        """The stages of the closed model; none in the open one."""
        return tuple(stage for stage in self.load if isinstance(stage, Stage))

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
            **({} if self.hosts else {"target": self.target}),
            **({} if self.project is None else self.project.keys()),
            "users": {name: format_share(share) for name, share in self.users.items()},
            "load": [_stage(stage) for stage in self.load] if self.shape is None else _shape(self.shape),
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
                "arrivals": format_percent(limits.arrivals_percent),
            },
            "sample_period": format_duration(self.sample_period_s),
            "stop_timeout": format_duration(self.stop_timeout_s),
        }
        if self.data:
            content["data"] = {name: _source(source) for name, source in self.data.items()}
        if self.tracing is not None:
            sample = format_percent(self.tracing.sample_percent)
            content["tracing"] = {"endpoint": self.tracing.endpoint, "sample": sample}
        if self.arguments:
            content["arguments"] = dict(self.arguments)
        for key, tags in (("tags", self.tags), ("exclude_tags", self.exclude_tags)):
            if tags is not None:
                content[key] = list(tags)
        if self.environment:
            content["environment"] = list(self.environment)
        if self.soak is not None:
            content["soak"] = self.soak.keys()
        if self.require:
            content["require"] = list(self.require)
        if self.hooks:
            content["hooks"] = [hook.keys() for hook in self.hooks]
        return dump_yaml(content)


def _shape(shape: ShapeLoad) -> object:
    if shape.name is None and shape.run_time_s is None:
        return "shape"
    content: dict[str, object] = {"shape": shape.name or "any"}
    if shape.run_time_s is not None:
        content["run_time"] = format_duration(shape.run_time_s)
    return content


def _stage(stage: LoadStage) -> dict[str, object]:
    hold = format_duration(stage.hold_s)
    if isinstance(stage, Stage):
        return {"users": stage.users, "spawn_rate": _number(stage.spawn_rate), "hold": hold}
    content: dict[str, object] = {
        "rate": format_rate(stage.rate_per_s),
        "ramp": format_duration(stage.ramp_s),
        "hold": hold,
        "max_users": stage.max_users,
        "arrivals": "poisson" if stage.poisson else "even",
    }
    if stage.sine is not None:
        content["sine"] = {
            "amplitude": format_rate(stage.sine.amplitude_per_s),
            "period": format_duration(stage.sine.period_s),
        }
    if stage.spikes:
        content["spike"] = [
            {
                "rate": format_rate(spike.rate_per_s),
                "at": format_duration(spike.at_s),
                "for": format_duration(spike.for_s),
            }
            for spike in stage.spikes
        ]
    return content


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


def _source(source: DataSource) -> dict[str, object]:
    content: dict[str, object] = {"file": str(source.file), "use": str(source.use)}
    if source.use is Use.UNIQUE:
        content["at_end"] = str(source.at_end)
    return content


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value
