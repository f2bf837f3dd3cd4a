"""Whether a worker was fit to measure in one second, and why not. Pure.

A worker-second that breaks a limit, or of which it isn't known that it kept one, is unfit: what the worker measured in it is excluded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from master.scenario import ValidityLimits
from master.scenario.units import format_latency, format_percent, format_temperature, rounded
from worker.load.histogram import Histogram
from worker.load.loop_lag import PROBES_PER_SECOND
from worker.printable import printable
from worker.telemetry.conditions import HELD_DOWN, THROTTLED, UNDER_VOLTAGE, UNKNOWN, flag_state, is_active
from worker.wire.messages import Facts, Reading
from worker.wire.reports import WorkerSecond

GIVEN_UP_MS = 1000.0
"""An arrival that a worker gave up was at least so late."""
MAX_PROBES = 2 * PROBES_PER_SECOND
"""Of a worker's loop in one second; after a stall there is one more than planned."""


class NodeCondition(NamedTuple):
    """What a sample says of its node's fitness."""

    cpu_percent: float
    memory_percent: float
    temperature_c: float | None = None
    conditions: int = UNKNOWN
    """What held it back at any moment since the sample before, see worker.telemetry.conditions."""
    is_pi: bool = False
    """Whether it is a Raspberry Pi, whose firmware can tell whether it is throttled."""

    @classmethod
    def of(cls, reading: Reading, facts: Facts | None) -> NodeCondition:
        """That of one sample of a node that says `facts` of itself."""
        return cls(
            reading.cpu_percent,
            reading.memory_percent,
            reading.temperature_c,
            reading.conditions_lately,
            is_pi(facts),
        )


def is_pi(facts: Facts | None) -> bool:
    """Whether a node is a Raspberry Pi, by its model."""
    return facts is not None and facts.model.startswith("Raspberry Pi")


class WorkerFitness(NamedTuple):
    """The fitness of a worker in one second."""

    reasons: list[str]
    """The reasons for which it was unfit, for people; empty when it was fit."""
    lag: Histogram
    """The lag of its event loop, in ms; only the largest where the others are not credible."""

    @property
    def fit(self) -> bool:
        """Whether its latencies count."""
        return not self.reasons


def judge_worker(
    limits: ValidityLimits,
    row: WorkerSecond,
    *,
    clock_error_ms: float | None,
    node: NodeCondition | None,
    users_stopping: bool,
) -> WorkerFitness:
    """Judge the fitness of a worker in the second that it reports as `row`.

    `clock_error_ms` is by how much its node's clock can be wrong; `node` what the node's sample of that time says. With
    `users_stopping`, the second is after the load: it is counted, and judged by nobody.
    """
    reasons = unfit_reasons(
        limits,
        lag_max_ms=row.lag_max_ms,
        worker_cpu_percent=row.cpu_percent,
        clock_error_ms=clock_error_ms,
        node=node,
    )
    late_ms = lateness_p99_ms(row)
    if late_ms is not None and late_ms > limits.loop_lag_p99_ms:
        shown = format_latency(_shown(late_ms, limits.loop_lag_p99_ms))
        reasons.append(f"late arrivals {shown} above {format_latency(limits.loop_lag_p99_ms)}")
    if row.local_error:
        reasons.append(printable(row.local_error))
    credible = sum(row.lag_buckets.values()) <= MAX_PROBES
    if not credible:
        reasons.append("loop lag not credible")
    lag = Histogram(row.lag_buckets if credible else {}, row.lag_max_ms)
    return WorkerFitness([] if users_stopping else reasons, lag)


def lateness_p99_ms(row: WorkerSecond) -> float | None:
    """How late the worker was for 99 % of the second's arrivals, those included that it gave up for that; None without any."""
    together = Histogram()
    for arrivals in row.arrivals:
        together.merge(Histogram(arrivals.lateness_buckets, arrivals.lateness_max_ms))
    given_up = sum(arrivals.given_up for arrivals in row.arrivals)
    if given_up:
        probe = Histogram()
        probe.add(GIVEN_UP_MS)
        together.merge(Histogram(dict.fromkeys(probe.buckets, given_up), GIVEN_UP_MS))
    return together.percentile(99)


def unfit_reasons(
    limits: ValidityLimits,
    *,
    lag_max_ms: float | None,
    worker_cpu_percent: float | None,
    clock_error_ms: float | None,
    node: NodeCondition | None,
) -> list[str]:
    """The reasons for which one second of one worker is unfit, for people; empty when it is fit. None or not-a-number: not known.

    The loop's lag and the worker's CPU must be known, since they are what falsifies latencies directly; so must the node's
    sample and, of a Raspberry Pi, whether it was throttled. Its temperature need not: a Pi that is too hot is throttled. The
    3 Model B+'s limit at 60 °C, which takes a seventh of its clock, makes nothing unfit: what that does shows as lag and CPU.
    """
    reasons = []
    for name, value, limit, show, needed in (
        ("loop lag", lag_max_ms, limits.loop_lag_p99_ms, format_latency, True),
        ("worker CPU", worker_cpu_percent, limits.worker_cpu_percent, format_percent, True),
        ("clock error", clock_error_ms, limits.clock_error_ms, format_latency, True),
        ("node CPU", node and node.cpu_percent, limits.node_cpu_percent, format_percent, False),
        ("node memory", node and node.memory_percent, limits.node_memory_percent, format_percent, False),
        ("temperature", node and node.temperature_c, limits.node_temperature_c, format_temperature, False),
    ):
        if value is None or math.isnan(value):
            if needed:
                reasons.append(f"{name} unknown")
        elif value > limit:
            reasons.append(f"{name} {show(_shown(value, limit))} above {show(limit)}")
    if node is None:
        reasons.append("no sample of the node")
        return reasons
    held_down = throttled(node.conditions)
    if held_down:
        reasons.append("throttled" if is_active(node.conditions, THROTTLED) else "frequency capped")
    elif held_down is None and node.is_pi and not limits.throttling_may_be_unknown:
        reasons.append("throttling unknown")
    if is_active(node.conditions, UNDER_VOLTAGE):
        reasons.append("under-voltage")
    return reasons


def throttled(conditions: int) -> bool | None:
    """Whether the clock was held down by heat or supply; None when that is unknown."""
    return True if is_active(conditions, HELD_DOWN) else flag_state(conditions, THROTTLED)


def _shown(value: float, limit: float) -> float:
    return rounded(value, lambda short: short <= limit)
