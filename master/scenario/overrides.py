"""Changes of a scenario by the command line's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from master.errors import InputError
from master.scenario.load_stages import LoadStage, OpenStage, ShapeLoad, Sine, Stage, find_mix_fault, ramps_s
from master.scenario.model import ExpectedNodes, Scenario
from master.scenario.rules import with_limit
from master.scenario.schema.base import MAX_USERS, check_service_name
from master.scenario.schema.scenario import MAX_NODES, MAX_STOP_S, MIN_STOP_S, check_target
from master.scenario.schema.stages import MAX_RATE_PER_S, MIN_PERIOD_S, MIN_SPIKE_S
from master.scenario.units import MAX_DURATION_S, format_duration, format_rate
from master.scenario.windows import find_hold_fault, find_ramp_fault, find_window_fault
from worker.wire.work import ArgumentValue


@dataclass(frozen=True, slots=True)
class Overrides:
    """Options that win over the file; None leaves the file's value.

    `users` is the peak that all stages of the closed model are scaled to; `rate_per_s` and `max_users` are those of the open one.
    `duration_s` is the length of all ramps and holds together, `nodes` the number of nodes to expect (of `--local`, or of an
    inventory). Services of `require` are required beside the file's. `spawn_rate` is that of every stage; `arguments` are values of the
    locustfile's own options that win over the file's.
    """

    target: str | None = None
    users: int | None = None
    rate_per_s: float | None = None
    max_users: int | None = None
    duration_s: float | None = None
    nodes: int | None = None
    require: tuple[str, ...] = ()
    spawn_rate: float | None = None
    stop_timeout_s: float | None = None
    tags: tuple[str, ...] | None = None
    exclude_tags: tuple[str, ...] | None = None
    arguments: Mapping[str, ArgumentValue] = field(default_factory=dict)


def override(scenario: Scenario, overrides: Overrides) -> Scenario:
    """`scenario` with `overrides` applied. Raises InputError that names the option."""
    if overrides.target is not None:
        try:
            scenario = replace(scenario, target=check_target(overrides.target))
        except ValueError as error:
            raise InputError(
                f"--target: {error}", hint="give a URL such as http://10.0.0.5:8080, or embedded"
            ) from None
    _check_model(scenario, overrides)
    if scenario.shape is not None:
        scenario = _of_shape(scenario, scenario.shape, overrides)
        overrides = replace(overrides, duration_s=None)
    scenario = _with_spawn_rate(scenario, overrides.spawn_rate)
    if overrides.users is not None:
        scenario = replace(scenario, load=_scaled_users(scenario, overrides.users))
        if fault := find_ramp_fault(scenario.load):
            raise InputError(f"--users {overrides.users}: {fault}", hint="give fewer users, or a higher spawn_rate")
    if overrides.rate_per_s is not None:
        scenario = _with_rate(scenario, overrides.rate_per_s)
    if overrides.max_users is not None:
        scenario = replace(scenario, load=_scaled_max_users(scenario, overrides.max_users))
    if overrides.duration_s is not None:
        scenario = replace(scenario, load=_stretched(scenario.load, overrides.duration_s))
        _check_holds(scenario, overrides.duration_s)
    if overrides.nodes is not None:
        scenario = replace(scenario, nodes=_nodes(scenario.nodes, overrides.nodes))
    scenario = _with_project(scenario, overrides)
    if overrides.require:
        scenario = replace(scenario, require=_with_required(scenario.require, overrides.require))
    return scenario


def _of_shape(scenario: Scenario, shape: ShapeLoad, overrides: Overrides) -> Scenario:
    """A scenario whose users a LoadTestShape asks for: it can only be cut short."""
    if overrides.spawn_rate is not None:
        raise InputError(
            f"--spawn-rate {overrides.spawn_rate:g}: the shape of the locustfile says how fast users start",
            hint="Leave it out, or give a scenario whose load has stages.",
        )
    if overrides.users is not None:
        raise InputError(
            f"--users {overrides.users}: the shape of the locustfile says how many users run",
            hint="Leave it out, or give a scenario whose load has stages.",
        )
    if overrides.duration_s is None:
        return scenario
    if not 0 < overrides.duration_s <= MAX_DURATION_S:  # false for NaN, too
        raise InputError(f"--duration {overrides.duration_s:g}s: must be above 0s and at most 31d", hint="leave it out")
    shape = replace(shape, run_time_s=overrides.duration_s)
    return replace(scenario, shape=shape, load=shape.stages)


def _with_spawn_rate(scenario: Scenario, spawn_rate: float | None) -> Scenario:
    if spawn_rate is None:
        return scenario
    stages = tuple(replace(stage, spawn_rate=spawn_rate) for stage in scenario.closed_stages)
    if fault := find_ramp_fault(stages):
        raise InputError(f"--spawn-rate {spawn_rate:g}: {fault}", hint="give a higher one")
    return replace(scenario, load=stages)


def _with_project(scenario: Scenario, overrides: Overrides) -> Scenario:
    """`scenario` with what the overrides say of its locustfile, and of the end of its tasks."""
    given = {"--tags": overrides.tags, "--exclude-tags": overrides.exclude_tags}
    if scenario.project is None and (option := next((name for name, tags in given.items() if tags), None)):
        raise InputError(f"{option}: is for a locustfile, and this scenario names none", hint="leave it out")
    stop_timeout_s = scenario.stop_timeout_s if overrides.stop_timeout_s is None else overrides.stop_timeout_s
    if not MIN_STOP_S <= stop_timeout_s <= MAX_STOP_S:
        raise InputError(
            f"--stop-timeout {format_duration(stop_timeout_s)}: must be from {format_duration(MIN_STOP_S)} to {format_duration(MAX_STOP_S)}",
            hint="leave it out to keep the scenario's",
        )
    return replace(
        scenario,
        tags=overrides.tags or scenario.tags,
        exclude_tags=overrides.exclude_tags or scenario.exclude_tags,
        arguments={**scenario.arguments, **overrides.arguments},
        stop_timeout_s=stop_timeout_s,
    )


def _with_required(written: tuple[str, ...], added: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys([*written, *map(check_service_name, added)]))
    except ValueError as error:
        raise InputError(f"--require: {error}", hint="piswarm services check shows what services there are") from None


def _check_model(scenario: Scenario, overrides: Overrides) -> None:
    """Refuse options of the model that the scenario is not of."""
    if scenario.open_model and overrides.spawn_rate is not None:
        raise InputError(
            f"--spawn-rate {overrides.spawn_rate:g}: this scenario offers a rate of arrivals, and no user is started",
            hint="give --rate for more or less load",
        )
    if scenario.open_model and overrides.users is not None:
        raise InputError(
            f"--users {overrides.users}: this scenario offers a rate of arrivals, whatever its users wait for",
            hint="give --rate for more or less load, or --max-users for how many users may be busy",
        )
    rate_per_s, max_users = overrides.rate_per_s, overrides.max_users
    if not scenario.open_model and (rate_per_s is not None or max_users is not None):
        option = f"--max-users {max_users}" if rate_per_s is None else f"--rate {format_rate(rate_per_s)}"
        raise InputError(
            f"{option}: this scenario is of the closed model: its load is users, who wait for their answers",
            hint="give --users, or a scenario whose load has a rate: docs/performance/load-models.md",
        )


def _scaled_users(scenario: Scenario, users: int) -> tuple[Stage, ...]:
    """Every stage's users times `users` over the peak, rounded half up, and at least 1 where there were any."""
    _check_user_count("--users", users, scenario)
    peak = scenario.max_users
    return tuple(replace(stage, users=_part(stage.users, users, peak)) for stage in scenario.closed_stages)


def _scaled_max_users(scenario: Scenario, max_users: int) -> tuple[OpenStage, ...]:
    """The same of what every stage has as the most users that may be busy."""
    _check_user_count("--max-users", max_users, scenario)
    peak = scenario.max_users
    return tuple(replace(stage, max_users=_part(stage.max_users, max_users, peak)) for stage in scenario.open_stages)


def _check_user_count(option: str, users: int, scenario: Scenario) -> None:
    if not 1 <= users <= MAX_USERS:
        raise InputError(f"{option} {users}: must be from 1 to {MAX_USERS}", hint="leave it out to keep the scenario's")
    if fault := find_mix_fault(scenario.users, users, nodes=scenario.nodes.expect, open_model=scenario.open_model):
        raise InputError(f"{option} {users}: {fault}", hint="change the option, or the fixed counts in the scenario")


def _part(users: int, peak: int, old_peak: int) -> int:
    return max((2 * users * peak + old_peak) // (2 * old_peak), min(users, 1))


def _with_rate(scenario: Scenario, rate_per_s: float) -> Scenario:
    """Every stage with its sine and spikes, and every rule on the rate of arrivals, times `rate_per_s` over the largest `rate`."""
    option = f"--rate {format_rate(rate_per_s)}"
    keep = "leave it out to keep the scenario's"
    if not 0 < rate_per_s <= MAX_RATE_PER_S:
        raise InputError(f"{option}: must be above 0/s and at most {format_rate(MAX_RATE_PER_S)}", hint=keep)
    largest_per_s = max(stage.rate_per_s for stage in scenario.open_stages)
    if not largest_per_s:
        raise InputError(f"{option}: no stage has a rate above 0/s that could be scaled, only spikes", hint=keep)

    def scaled(per_s: float) -> float:
        # Exact, so that the largest is what was asked for, and no amplitude is above its rate.
        return float(Fraction(per_s) * Fraction(rate_per_s) / Fraction(largest_per_s))

    stages = tuple(
        replace(
            stage,
            rate_per_s=scaled(stage.rate_per_s),
            sine=stage.sine and replace(stage.sine, amplitude_per_s=scaled(stage.sine.amplitude_per_s)),
            spikes=tuple(replace(spike, rate_per_s=scaled(spike.rate_per_s)) for spike in stage.spikes),
        )
        for stage in scenario.open_stages
    )
    peak_per_s = max((spike.rate_per_s for stage in stages for spike in stage.spikes), default=0.0)
    if peak_per_s > MAX_RATE_PER_S:
        raise InputError(
            f"{option}: a spike would be {format_rate(peak_per_s)}, more than {format_rate(MAX_RATE_PER_S)}",
            hint="give a lower rate",
        )
    rules = tuple(
        with_limit(rule, scaled(rule.limit)) if rule.metric == "arrival_rate" else rule for rule in scenario.thresholds
    )
    return replace(scenario, load=stages, thresholds=rules)


def _stretched(stages: Sequence[LoadStage], duration_s: float) -> tuple[LoadStage, ...]:
    """The same ramps, and holds in the same proportion (with what is in them), that together take `duration_s`."""
    if not 0 < duration_s <= MAX_DURATION_S:  # false for NaN, too
        raise InputError(
            f"--duration {duration_s:g}s: must be above 0s and at most 31d", hint="leave it out to keep the scenario's"
        )
    ramp_s = sum(ramps_s(stages))
    if ramp_s >= duration_s:
        fewer = "shorter ramps" if isinstance(stages[0], OpenStage) else "fewer users, or a higher spawn_rate"
        raise InputError(
            f"--duration {format_duration(duration_s)}: the ramps alone take {format_duration(round(ramp_s, 3))}",
            hint=f"give a longer duration, {fewer}",
        )
    factor = (duration_s - ramp_s) / sum(stage.hold_s for stage in stages)
    return tuple(_held_longer(stage, factor, duration_s) for stage in stages)


def _held_longer(stage: LoadStage, factor: float, duration_s: float) -> LoadStage:
    """`stage` with its hold, and the sine and the spikes in it, `factor` times as long."""
    if isinstance(stage, Stage):
        return replace(stage, hold_s=stage.hold_s * factor)
    sine = stage.sine and Sine(stage.sine.amplitude_per_s, stage.sine.period_s * factor)
    spikes = tuple(replace(spike, at_s=spike.at_s * factor, for_s=spike.for_s * factor) for spike in stage.spikes)
    too_short = (sine is not None and sine.period_s < MIN_PERIOD_S) or any(each.for_s < MIN_SPIKE_S for each in spikes)
    if too_short or (sine is not None and sine.period_s > MAX_DURATION_S):
        what = "spike" if sine is None or MIN_PERIOD_S <= sine.period_s <= MAX_DURATION_S else "sine"
        raise InputError(
            f"--duration {format_duration(duration_s)}: the {what} of a hold is stretched with it, and would be too "
            f"{'short' if too_short else 'long'}",
            hint="give another duration, or a scenario without it",
        )
    return replace(stage, hold_s=stage.hold_s * factor, sine=sine, spikes=spikes)


def _check_holds(scenario: Scenario, duration_s: float) -> None:
    for rule in scenario.thresholds:
        if fault := find_window_fault(rule, scenario.load):
            raise InputError(
                f"--duration {format_duration(duration_s)}: {fault}",
                hint="give a longer duration, or the rule a shorter window",
            )
    if fault := find_hold_fault(scenario.load, scenario.sample_period_s):
        raise InputError(f"--duration {format_duration(duration_s)}: {fault}", hint="give a longer duration")


def _nodes(nodes: ExpectedNodes, expect: int) -> ExpectedNodes:
    """`expect` nodes, and the same share of them at least (rounded up)."""
    if not 1 <= expect <= MAX_NODES:
        raise InputError(
            f"--local {expect}: must be from 1 to {MAX_NODES} nodes",
            hint="leave it out for as many as the scenario expects",
        )
    return replace(nodes, expect=expect, min=-(-expect * nodes.min // nodes.expect))
