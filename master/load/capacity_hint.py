"""Whether a load of the open model can fit: its rate into `max_users`, and into what the fleet can carry. Pure.

Warnings before the load begins, so estimates; what really was missed or late the run itself counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from master.scenario import OpenStage, Threshold
from master.scenario.units import format_latency, format_rate
from worker.telemetry.pi.models import PI_MODELS

REQUEST_US, ARRIVAL_US = 85, 35
"""CPU time on one core of the machine in docs/benchmarks/costs.md: of a POST of JSON by HttpUser, judged in a with-block; and what it
takes more to start it as an arrival (a GET 70 µs in place of 35, tests/bench/open/lateness.py --rate 6000 --users 100)."""
X86_CORE_PER_S = 1e6 / (REQUEST_US + ARRIVAL_US)
PI4_CORE_PER_S = X86_CORE_PER_S / PI_MODELS["pi4"].cpu_s_per_x86_cpu_s
"""Arrivals per second, of one request each. A core of a Pi 4 at full clock takes four times the CPU time (estimated, ± 30 %)."""
EXPECTED_LATENCY_MS = 100.0
"""How long an answer is taken to take on average where no threshold says it."""
_MAX_PERCENT = 95.0
_DECIMALS = 6  # what is left of a rate by rounding is no arrival


@dataclass(frozen=True, slots=True)
class Fleet:
    """The nodes that are ready: `capacity` is in cores of a Pi 4 at full clock, for all of them together.

    `shared_cores` are those of the machine that all of them are simulated on; None for real nodes.
    """

    nodes: int
    capacity: float
    shared_cores: int | None = None
    request_cpu_s: float | None = None
    """CPU that a request costs on a core of a Pi 4, where the scenario says it of simulated nodes."""


def capacity_warnings(stages: Sequence[OpenStage], rules: Sequence[Threshold], fleet: Fleet) -> Iterator[str]:
    """A warning for each reason why the arrivals of `stages` can't be started in time; none when they fit."""
    yield from _too_few_users(stages, rules)
    peak_per_s = max((stage.peak_per_s for stage in stages), default=0.0)
    yield from _too_small_fleet(peak_per_s, fleet)


def _too_few_users(stages: Sequence[OpenStage], rules: Sequence[Threshold]) -> Iterator[str]:
    latency_ms, rule = min(map(_mean_at_limit, filter(_limits_latency, rules)), default=(EXPECTED_LATENCY_MS, None))
    source = "assumed, since no threshold says it" if rule is None else f"the mean where {rule!r} just holds"
    index, stage = max(enumerate(stages), key=lambda each: each[1].peak_per_s / each[1].max_users)
    needed = math.ceil(round(stage.peak_per_s * latency_ms / 1000, _DECIMALS))
    if needed > stage.max_users:
        bearable = format_latency(_short(1000 * stage.max_users / stage.peak_per_s))
        yield (
            f"load[{index}] reaches {format_rate(_short(stage.peak_per_s))}, and answers that take {format_latency(_short(latency_ms))} "
            f"({source}) then keep {needed} users busy, where max_users is {stage.max_users}: arrivals are missed while answers "
            f"take more than {bearable} on average. Give max_users of at least {needed} (--max-users), or a lower rate (--rate)"
        )


def _limits_latency(rule: Threshold) -> bool:
    """Whether the rule is an upper limit on a percentile from p50 to p95."""
    return (
        rule.op.startswith("<") and rule.percent is not None and 50 <= rule.percent <= _MAX_PERCENT and rule.limit > 0
    )


def _mean_at_limit(rule: Threshold) -> tuple[float, str]:
    """The mean in ms of latencies that are exponentially distributed with the rule's percentile at its limit, and the rule's text.

    Little's law has the mean: users busy = arrivals per second * mean latency.
    """
    assert rule.percent is not None
    return rule.limit / math.log(100 / (100 - rule.percent)), rule.text


def _too_small_fleet(peak_per_s: float, fleet: Fleet) -> Iterator[str]:
    of_each_core = PI4_CORE_PER_S if fleet.request_cpu_s is None else 1 / fleet.request_cpu_s
    most_per_s = fleet.capacity * of_each_core
    nodes = "node carries" if fleet.nodes == 1 else f"{fleet.nodes} nodes carry"
    what = f"the {nodes} about {format_rate(_whole(most_per_s))} ({_short(fleet.capacity):g} cores of a Pi 4)"
    remedy = "Have more nodes"
    shared_per_s = math.inf if fleet.shared_cores is None else fleet.shared_cores * X86_CORE_PER_S
    if shared_per_s < most_per_s:
        most_per_s = shared_per_s
        cores = f"{fleet.shared_cores} {'core' if fleet.shared_cores == 1 else 'cores'}"
        what = f"the {cores} of this machine, which simulates all nodes, start about {format_rate(_whole(most_per_s))}"
        remedy = "Have real nodes (--inventory)"
    if peak_per_s > most_per_s:
        yield (
            f"the load reaches {format_rate(_short(peak_per_s))}, and {what}, at one request an arrival: arrivals beyond that start "
            f"late, which makes the run INVALID. {remedy}, or a lower rate (--rate)"
        )


def _short(value: float) -> float:
    """Four digits are enough for an estimate."""
    return float(f"{value:.4g}")


def _whole(value: float) -> float:
    """An estimate within 30 % has two digits."""
    return float(f"{value:.2g}")
