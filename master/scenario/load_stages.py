"""The stages of a load, of the closed model (users) and of the open one (arrivals). Plain frozen data, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from master.scenario.units import format_duration, format_rate
from worker.wire.work import UserShare


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the closed model: go to `users` at `spawn_rate` users per second, up or down, then hold for `hold_s`."""

    users: int
    spawn_rate: float
    hold_s: float

    def ramp_s(self, from_users: int) -> float:
        """Planned duration of the ramp from `from_users`, in seconds."""
        return abs(self.users - from_users) / self.spawn_rate

    @property
    def has_load(self) -> bool:
        """Whether there is anything to judge while the stage is held."""
        return self.users > 0


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

    @property
    def has_load(self) -> bool:
        """Whether there is anything to judge while the stage is held."""
        return self.rate_per_s > 0 or any(spike.rate_per_s > 0 for spike in self.spikes)

    @property
    def peak_per_s(self) -> float:
        """The highest rate of the stage, in its sine or spikes where it has them."""
        amplitude_per_s = 0.0 if self.sine is None else self.sine.amplitude_per_s
        return max(self.rate_per_s + amplitude_per_s, *(spike.rate_per_s for spike in self.spikes), 0.0)


LoadStage = Stage | OpenStage


@dataclass(frozen=True, slots=True)
class ShapeLoad:
    """A load that a LoadTestShape of the locustfile asks for while it runs."""

    name: str | None = None
    """Its class; None: the only one there is."""
    run_time_s: float | None = None
    """The run ends then at the latest; None: when the shape ends."""

    @property
    def stages(self) -> tuple[Stage]:
        """In place of stages that nobody knows."""
        return (Stage(0, 1.0, self.run_time_s or 0.0),)


def ramps_s(stages: Sequence[LoadStage]) -> list[float]:
    """The planned length of each stage's ramp, starting with no users and no arrivals."""
    lengths_s, users = [], 0
    for stage in stages:
        if isinstance(stage, OpenStage):
            lengths_s.append(stage.ramp_s)
        else:
            lengths_s.append(stage.ramp_s(users))
            users = stage.users
    return lengths_s


def most_users(stages: Sequence[LoadStage]) -> int:
    """The users of the largest stage: those that run, or those that may be busy."""
    return max(stage.max_users if isinstance(stage, OpenStage) else stage.users for stage in stages)


def find_mix_fault(
    users: Mapping[str, UserShare], peak: int, *, nodes: int = 1, open_model: bool = False
) -> str | None:
    """Why `peak` users, those of the largest stage, can't be made up of `users` on so many `nodes`, or None when they can."""
    shares = users.values()
    # Of workers a node has one at least.
    fixed = sum(share.fixed_count + (share.per_node + share.per_worker) * nodes for share in shares)
    if fixed > peak:
        of = f"max_users, {peak}" if open_model else f"the {peak} users of the largest stage"
        return f"the fixed counts add up to {fixed}, more than {of}"
    if fixed < peak and not any(share.weight or share.per_worker for share in shares):
        return f"the fixed counts add up to {fixed}, so {peak} users are never reached: give a class a weight"
    return None


def find_curve_faults(stage: OpenStage) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the sine and the spikes of `stage`, each with its place in the stage."""
    rate, hold = format_rate(stage.rate_per_s), format_duration(stage.hold_s)
    if stage.sine is not None:
        amplitude = format_rate(stage.sine.amplitude_per_s)
        if stage.sine.amplitude_per_s > stage.rate_per_s:
            yield ("sine", "amplitude"), f"{amplitude} is more than the rate, {rate}, which would become negative"
    for index, spike in enumerate(stage.spikes):
        end_s = spike.at_s + spike.for_s
        if round(end_s - stage.hold_s, 6) > 0:
            yield ("spike", index), f"ends {format_duration(end_s)} after the hold's start, and the hold is {hold}"
    in_order = sorted(enumerate(stage.spikes), key=lambda each: each[1].at_s)
    for (before, earlier), (index, later) in pairwise(in_order):
        if round(earlier.at_s + earlier.for_s - later.at_s, 6) > 0:
            begin, end = format_duration(later.at_s), format_duration(earlier.at_s + earlier.for_s)
            yield ("spike", index), f"begins at {begin}, before spike[{before}] has ended at {end}: they can't overlap"
