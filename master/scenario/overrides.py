"""Changes of a scenario by the command line's options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from master.errors import InputError
from master.scenario.model import ExpectedNodes, Scenario, Stage, find_mix_fault, ramps_s
from master.scenario.schema import MAX_NODES, MAX_USERS, check_target
from master.scenario.units import MAX_DURATION_S, format_duration
from master.scenario.windows import find_hold_fault, find_ramp_fault, find_window_fault


@dataclass(frozen=True, slots=True)
class Overrides:
    """Options that win over the file; None leaves the file's value.

    `users` is the peak that all stages are scaled to, `duration_s` the length of all ramps and holds together, `nodes` the
    number of nodes to expect (of `--local`, or of an inventory).
    """

    target: str | None = None
    users: int | None = None
    duration_s: float | None = None
    nodes: int | None = None


def override(scenario: Scenario, overrides: Overrides) -> Scenario:
    """`scenario` with `overrides` applied. Raises InputError that names the option."""
    if overrides.target is not None:
        try:
            scenario = replace(scenario, target=check_target(overrides.target))
        except ValueError as error:
            raise InputError(
                f"--target: {error}", hint="give a URL such as http://10.0.0.5:8080, or embedded"
            ) from None
    if overrides.users is not None:
        scenario = replace(scenario, load=_scaled(scenario, overrides.users))
        if fault := find_ramp_fault(scenario.load):
            raise InputError(f"--users {overrides.users}: {fault}", hint="give fewer users, or a higher spawn_rate")
    if overrides.duration_s is not None:
        scenario = replace(scenario, load=_stretched(scenario.load, overrides.duration_s))
        _check_holds(scenario, overrides.duration_s)
    if overrides.nodes is not None:
        scenario = replace(scenario, nodes=_nodes(scenario.nodes, overrides.nodes))
    return scenario


def _scaled(scenario: Scenario, users: int) -> tuple[Stage, ...]:
    """Every stage's users times `users` over the peak, rounded half up, and at least 1 where there were any."""
    if not 1 <= users <= MAX_USERS:
        raise InputError(f"--users {users}: must be from 1 to {MAX_USERS}", hint="leave it out to keep the scenario's")
    fault = find_mix_fault(scenario.users, users)
    if fault:
        raise InputError(f"--users {users}: {fault}", hint="change the option, or the fixed counts in the scenario")
    peak = scenario.max_users
    return tuple(
        replace(stage, users=max((2 * stage.users * users + peak) // (2 * peak), min(stage.users, 1)))
        for stage in scenario.load
    )


def _stretched(stages: Sequence[Stage], duration_s: float) -> tuple[Stage, ...]:
    """The same ramps, and holds in the same proportion, that together take `duration_s`."""
    if not 0 < duration_s <= MAX_DURATION_S:  # false for NaN, too
        raise InputError(
            f"--duration {duration_s:g}s: must be above 0s and at most 31d", hint="leave it out to keep the scenario's"
        )
    ramp_s = sum(ramps_s(stages))
    if ramp_s >= duration_s:
        raise InputError(
            f"--duration {format_duration(duration_s)}: the ramps alone take {format_duration(round(ramp_s, 3))}",
            hint="give a longer duration, fewer users, or a higher spawn_rate",
        )
    factor = (duration_s - ramp_s) / sum(stage.hold_s for stage in stages)
    return tuple(replace(stage, hold_s=stage.hold_s * factor) for stage in stages)


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
