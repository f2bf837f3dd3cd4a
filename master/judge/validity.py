"""Judging the generator: whether it was fit to measure. Without that, its figures say nothing about the target.

Two levels. A single node-second that breaks a limit is set apart: what the node measured in it does not count
(`unfit_reasons`). The whole run is invalid when too much is set apart, or when the limits are broken by more than the odd
node (`check`). What isn't known is never taken for healthy.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import add

from master.scenario import Limits
from master.scenario.units import format_latency, format_percent, rounded
from worker.histogram import Histogram

__all__ = ["FitnessLog", "Limits", "ValidityOutcome", "check", "unfit_reasons"]

_SHARE_WITHIN = 95.0  # percent of node-seconds that must keep a limit; the rest is what `excluded_share` allows for
_BINS_PER_PERCENT = 10  # psutil gives CPU and memory to a tenth of a percent


@dataclass(frozen=True, slots=True)
class ValidityOutcome:
    """One check of a run. `observed_value` is in the limit's unit: ms, percent or nodes; None without data.

    `nodes` are all offenders, sorted. A check can be ok and yet name some.
    """

    check: str
    limit: str
    observed: str
    observed_value: float | None
    ok: bool
    nodes: tuple[str, ...] = ()
    message: str = ""


class _Percents:
    """How often each percentage occurred, to a tenth: 1001 counters however long the run."""

    def __init__(self) -> None:
        # 4 KB from the start; as a dict it would grow to ten times that over the first hours.
        self.bins = array("I", bytes(4 * (100 * _BINS_PER_PERCENT + 1)))

    def add(self, percent: float) -> None:
        """Count one value; what is above 100 counts as 100. Not-a-number is no value and isn't counted."""
        if not math.isnan(percent):
            self.bins[math.ceil(min(max(percent, 0.0), 100.0) * _BINS_PER_PERCENT - 1e-6)] += 1

    def within(self, percent: float) -> float | None:
        """What `percent` of the values stayed at or below; None without values."""
        rank = max(1, math.ceil(percent / 100 * sum(self.bins) - 1e-9))
        for bin_, count in enumerate(self.bins):
            rank -= count
            if rank <= 0:
                return bin_ / _BINS_PER_PERCENT
        return None


class FitnessLog:
    """What is known of the generator's fitness over the steady part of a run. Only steady seconds are added.

    The memory is bounded by the number of nodes, not by the length of the run.
    """

    def __init__(self) -> None:
        self.lag: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.worker_cpu: defaultdict[str, _Percents] = defaultdict(_Percents)
        self.node_cpu: defaultdict[str, _Percents] = defaultdict(_Percents)
        self.node_memory: defaultdict[str, _Percents] = defaultdict(_Percents)
        self.controller_cpu = _Percents()
        self.clock_error_ms: dict[str, float] = {}
        self.samples_expected: Counter[str] = Counter()
        self.samples_missing: Counter[str] = Counter()
        self.fewest_ready: int | None = None
        self.lost: set[str] = set()
        self.requests_fit = 0
        self.requests_unfit = 0

    def add_lag(self, node: str, lag: Histogram) -> None:
        """Add probes of how late the event loops of `node`'s workers ran."""
        self.lag[node].merge(lag)

    def add_worker_cpu(self, node: str, percent: float) -> None:
        """Add one worker-second: the share of one core that a worker of `node` used."""
        self.worker_cpu[node].add(percent)

    def add_node(self, node: str, cpu_percent: float, memory_percent: float) -> None:
        """Add one node-second: the shares of all cores and of the memory in use. Not-a-number where not known."""
        self.node_cpu[node].add(cpu_percent)
        self.node_memory[node].add(memory_percent)

    def add_controller(self, cpu_percent: float) -> None:
        """Add one second of the controller's machine: the share of all its cores in use."""
        self.controller_cpu.add(cpu_percent)

    def add_clock_error(self, node: str, error_ms: float) -> None:
        """Add by how much a time of `node`'s clock, told by ours, can have been wrong in one second."""
        self.clock_error_ms[node] = max(error_ms, self.clock_error_ms.get(node, 0.0))

    def expect_samples(self, node: str, expected: int, received: int) -> None:
        """Add how many samples `node` should have sent in a span, and how many came. Too many make up for nothing."""
        self.samples_expected[node] += expected
        self.samples_missing[node] += max(0, expected - received)

    def note_ready(self, nodes_ready: int) -> None:
        """Note how many nodes are ready now."""
        self.fewest_ready = nodes_ready if self.fewest_ready is None else min(self.fewest_ready, nodes_ready)

    def note_lost(self, node: str) -> None:
        """Note that `node` went away while it was needed."""
        self.lost.add(node)

    def add_requests(self, fit: int, unfit: int) -> None:
        """Add requests measured while their node was fit, and those set apart because it wasn't."""
        self.requests_fit += fit
        self.requests_unfit += unfit


def unfit_reasons(
    limits: Limits,
    *,
    lag_max_ms: float | None,
    worker_cpu_percent: float | None,
    node_cpu_percent: float | None,
    node_memory_percent: float | None,
) -> list[str]:
    """Why one node-second is unfit, for people; empty when it is fit. None or not-a-number: not known.

    The loop's lag and the workers' CPU must be known, since they are what falsifies latencies directly and come from the
    workers together with the statistics. A sample of the node itself may come late: the missing_samples check sees to it.
    """
    reasons = []
    for name, value, limit, show, needed in (
        ("loop lag", lag_max_ms, limits.loop_lag_p99_ms, format_latency, True),
        ("worker CPU", worker_cpu_percent, limits.worker_cpu_percent, format_percent, True),
        ("node CPU", node_cpu_percent, limits.node_cpu_percent, format_percent, False),
        ("node memory", node_memory_percent, limits.node_memory_percent, format_percent, False),
    ):
        if value is None or math.isnan(value):
            if needed:
                reasons.append(f"{name} unknown")
        elif value > limit:
            reasons.append(f"{name} {show(_rounded(value, limit))} above {show(limit)}")
    return reasons


def check(limits: Limits, log: FitnessLog, nodes_expected: int, nodes_min: int) -> list[ValidityOutcome]:
    """All checks of a run, in a fixed order; each without data is not ok.

    The CPU and memory checks look at what 95 % of the node-seconds stayed at or below, which goes with the 5 % of requests
    that may be set apart: a few unfit nodes have their data set apart and are named, without making the run worthless.
    """
    pooled_lag = Histogram()
    for lag in log.lag.values():
        pooled_lag.merge(lag)
    lag_limit = _Limit("loop_lag_p99", limits.loop_lag_p99_ms, format_latency)
    return [
        lag_limit.outcome(pooled_lag.percentile(99), {node: lag.percentile(99) for node, lag in log.lag.items()}),
        _percents("worker_cpu", limits.worker_cpu_percent, log.worker_cpu),
        _percents("node_cpu", limits.node_cpu_percent, log.node_cpu),
        _percents("node_memory", limits.node_memory_percent, log.node_memory),
        _Limit("controller_cpu", limits.controller_cpu_percent).outcome(log.controller_cpu.within(_SHARE_WITHIN)),
        _Limit("clock_error", limits.clock_error_ms, format_latency).outcome(
            max(log.clock_error_ms.values(), default=None), log.clock_error_ms
        ),
        _Limit("missing_samples", limits.missing_samples_percent).outcome(
            _percent(log.samples_missing.total(), log.samples_expected.total()),
            {node: _percent(log.samples_missing[node], expected) for node, expected in log.samples_expected.items()},
        ),
        _nodes(log, nodes_expected, nodes_min),
        _Limit("excluded_share", limits.excluded_share_percent).outcome(
            _percent(log.requests_unfit, log.requests_fit + log.requests_unfit)
        ),
    ]


@dataclass(frozen=True)
class _Limit:
    """A value that must not be exceeded, by the fleet or by a node."""

    check: str
    most: float
    show: Callable[[float], str] = format_percent

    def outcome(self, observed: float | None, by_node: Mapping[str, float | None] | None = None) -> ValidityOutcome:
        nodes = _sorted(node for node, value in (by_node or {}).items() if value is not None and value > self.most)
        limit = f"≤ {self.show(self.most)}"
        if observed is None:
            return _no_data(self.check, limit, nodes)
        text = self.show(_rounded(observed, self.most))
        ok = observed <= self.most
        message = "" if ok else f"{self.check} was {text}, above {self.show(self.most)}"
        return ValidityOutcome(self.check, limit, text, observed, ok, nodes, message)


def _percents(name: str, most: float, by_node: Mapping[str, _Percents]) -> ValidityOutcome:
    pooled = _Percents()
    for percents in by_node.values():
        pooled.bins = array("I", map(add, pooled.bins, percents.bins))
    own = {node: percents.within(_SHARE_WITHIN) for node, percents in by_node.items()}
    return _Limit(name, most).outcome(pooled.within(_SHARE_WITHIN), own)


def _nodes(log: FitnessLog, expected: int, least: int) -> ValidityOutcome:
    limit = f"≥ {least} of {expected}"
    nodes = _sorted(log.lost)
    if log.fewest_ready is None:
        return _no_data("nodes", limit, nodes)
    ok = log.fewest_ready >= least
    message = "" if ok else f"only {log.fewest_ready} of {expected} nodes were ready at one time, fewer than {least}"
    return ValidityOutcome("nodes", limit, str(log.fewest_ready), log.fewest_ready, ok, nodes, message)


def _no_data(name: str, limit: str, nodes: tuple[str, ...]) -> ValidityOutcome:
    message = f"no data: nothing was recorded for {name} in the steady part"
    return ValidityOutcome(name, limit, "no data", None, ok=False, nodes=nodes, message=message)


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _rounded(value: float, most: float) -> float:
    return rounded(value, lambda short: short <= most)


def _sorted(nodes: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(nodes))
