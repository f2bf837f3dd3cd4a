"""Judging the generator: whether it was fit to measure. Without that, its figures say nothing about the target.

Two levels. What a node measured in a single second in which it was unfit does not count (`master.judge.seconds.fitness`). The whole
run is invalid when too much is excluded, or when the limits are broken by more than the odd node (`check`). What isn't known
is never taken for healthy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from master.judge.faults import fault_text
from master.judge.seconds.fitness import FitnessLog, FleetPercents
from master.scenario import ValidityLimits
from master.scenario.units import format_latency, format_percent, format_temperature, rounded

_NO_DATA = "no data"
_NO_CAUSES: Mapping[str, str] = {}
_CONTROLLER_MISSING_PERCENT = 20.0
"""Samples of the controller's machine that may be missing: its agent is started again when it has ended, within seconds."""
_SHARE_WITHIN = 95.0  # percent of node-seconds that must keep a limit; the rest is what `excluded_share` allows for


@dataclass(frozen=True, slots=True)
class ValidityOutcome:
    """One check of a run. `observed_value` is in the limit's unit: ms, percent, °C or nodes; None without data.

    `ok` is None where nobody can know: none of the nodes has a sensor for it, and none is a Raspberry Pi that should. `nodes` are all offenders, sorted. A check can be ok and yet name some.
    """

    check: str
    limit: str
    observed: str
    observed_value: float | None
    ok: bool | None
    nodes: tuple[str, ...] = ()
    message: str = ""
    yields_to_fail: bool = False
    """Whether it says nothing against a threshold that was seen to be broken by errors, exceptions or a rate, as what says
    only what latencies are worth."""
    fault: bool = False
    """Whether a fault of our own is why it is unknown."""

    @property
    def unfit(self) -> bool:
        """Whether the generator is not known to be fit, though it should be."""
        return self.ok is False or self.fault


def guarded(name: str, make: Callable[[], ValidityOutcome], *, yields_to_fail: bool = False) -> ValidityOutcome:
    """The check that `make` makes; unknown where that fails, which is a fault of our own."""
    try:
        row = make()
        return replace(row, yields_to_fail=True) if yields_to_fail else row
    except Exception as error:  # noqa: BLE001  # whatever it is: the other checks are worth having
        message = f"{name}: unknown, {fault_text(error)}"
        return ValidityOutcome(
            name, "–", "unknown", None, ok=None, message=message, yields_to_fail=yields_to_fail, fault=True
        )


def check(
    limits: ValidityLimits,
    log: FitnessLog,
    nodes_expected: int,
    nodes_min: int,
    causes: Mapping[str, str] = _NO_CAUSES,
    *,
    name_nodes: bool = True,
) -> list[ValidityOutcome]:
    """All checks of a log, in a fixed order; each without data is not ok, and a fault in one makes that one unknown.

    `causes` are why a check may have no data, by its name, where that is known. Without `name_nodes` the checks of CPU, memory, heat
    and lag name no offenders: to look at each node for that takes far longer than the rest.

    The CPU and memory checks look at what 95 % of the node-seconds stayed at or below, which goes with the 5 % of requests
    that may be excluded: a few unfit nodes have their data excluded and are named, without making the run worthless.
    """
    percents = partial(_percents, name_nodes=name_nodes)
    checks: dict[str, Callable[[], ValidityOutcome]] = {
        "loop_lag_p99": lambda: _loop_lag(limits, log, name_nodes=name_nodes),
        "worker_cpu": lambda: percents("worker_cpu", limits.worker_cpu_percent, log.worker_cpu),
        "node_cpu": lambda: percents("node_cpu", limits.node_cpu_percent, log.node_cpu),
        "node_memory": lambda: percents("node_memory", limits.node_memory_percent, log.node_memory),
        "node_temperature": lambda: _temperature(limits, log, percents),
        "throttling": lambda: _throttling(limits, log),
        "under_voltage": lambda: _under_voltage(limits, log),
        "controller_cpu": lambda: _controller_cpu(limits, log),
        "clock_error": lambda: _clock_error(limits, log),
        "missing_samples": lambda: _missing_samples(limits, log),
        "nodes": lambda: _nodes(log, nodes_expected, nodes_min),
        "excluded_share": lambda: _excluded_share(limits, log),
    }
    return [with_cause(guarded(name, make), causes) for name, make in checks.items()]


def with_cause(row: ValidityOutcome, causes: Mapping[str, str]) -> ValidityOutcome:
    """`row` with why it has no data, where that is so and known."""
    if row.observed != _NO_DATA or row.check not in causes:
        return row
    return replace(row, message=f"{row.check}: {_NO_DATA}: {causes[row.check]}")


@dataclass(frozen=True)
class _Limit:
    """A value that must not be exceeded, by the fleet or by a node."""

    check: str
    max_value: float
    show: Callable[[float], str] = format_percent

    def outcome(self, observed: float | None, by_node: Mapping[str, float | None] | None = None) -> ValidityOutcome:
        nodes = _sorted(node for node, value in (by_node or {}).items() if value is not None and value > self.max_value)
        limit = f"≤ {self.show(self.max_value)}"
        if observed is None:
            return _no_data(self.check, limit, nodes)
        text = self.show(_rounded(observed, self.max_value))
        ok = observed <= self.max_value
        message = "" if ok else f"{self.check} was {text}, above {self.show(self.max_value)}"
        return ValidityOutcome(self.check, limit, text, observed, ok, nodes, message)


def _loop_lag(limits: ValidityLimits, log: FitnessLog, *, name_nodes: bool) -> ValidityOutcome:
    own = {node: lag.percentile(99) for node, lag in log.lag.items()} if name_nodes else None
    return _Limit("loop_lag_p99", limits.loop_lag_p99_ms, format_latency).outcome(log.lag.all.percentile(99), own)


def _controller_cpu(limits: ValidityLimits, log: FitnessLog) -> ValidityOutcome:
    """Not by a part of the samples alone: while its agent was away, the controller may have been as busy as can be."""
    row = _Limit("controller_cpu", limits.controller_cpu_percent).outcome(log.controller_cpu.within(_SHARE_WITHIN))
    missing = _percent(log.controller_missing, log.controller_expected) or 0.0
    if not row.ok or missing <= _CONTROLLER_MISSING_PERCENT:
        return row
    message = (
        f"controller_cpu is not known: {format_percent(_shortened(missing))} of the samples of its machine are missing"
    )
    return replace(row, observed="unknown", observed_value=None, ok=False, message=message)


def _missing_samples(limits: ValidityLimits, log: FitnessLog) -> ValidityOutcome:
    return _Limit("missing_samples", limits.missing_samples_percent).outcome(
        _percent(log.samples_missing.total(), log.samples_expected.total()),
        {node: _percent(log.samples_missing[node], expected) for node, expected in log.samples_expected.items()},
    )


def _excluded_share(limits: ValidityLimits, log: FitnessLog) -> ValidityOutcome:
    """Without any request nothing was excluded: that says nothing against a threshold that was broken all the same."""
    measured = log.requests_fit + log.requests_unfit
    row = _Limit("excluded_share", limits.excluded_share_percent).outcome(_percent(log.requests_unfit, measured))
    return replace(row, yields_to_fail=not measured)


def _percents(
    name: str,
    max_value: float,
    percents: FleetPercents,
    show: Callable[[float], str] = format_percent,
    *,
    name_nodes: bool,
) -> ValidityOutcome:
    own = {node: own.within(_SHARE_WITHIN) for node, own in percents.items()} if name_nodes else None
    return _Limit(name, max_value, show).outcome(percents.all.within(_SHARE_WITHIN), own)


def _temperature(limits: ValidityLimits, log: FitnessLog, percents: Callable[..., ValidityOutcome]) -> ValidityOutcome:
    if not log.temperature_c:
        return _unknown("node_temperature", f"≤ {format_temperature(limits.node_temperature_c)}")
    return percents("node_temperature", limits.node_temperature_c, log.temperature_c, format_temperature)


def _throttling(limits: ValidityLimits, log: FitnessLog) -> ValidityOutcome:
    """The share of node-seconds with the clock held down; those of a Pi that could have told and did not count as well."""
    of_pis = Counter[str]() if limits.throttling_may_be_unknown else log.throttling_unknown_of_pis
    row = _share(
        "throttling", limits.throttling_percent, log.throttled + of_pis, log.throttling_unknown - of_pis, log.seconds
    )
    if row.ok is False and of_pis.total():
        shown = format_percent(_shortened(100 * of_pis.total() / log.seconds.total()))
        question = "is the agent let at /dev/vcio (group video)?"
        return replace(row, message=f"{row.message}; for {shown} it is unknown whether a Pi was: {question}")
    return row


def _under_voltage(limits: ValidityLimits, log: FitnessLog) -> ValidityOutcome:
    return _share(
        "under_voltage", limits.under_voltage_percent, log.under_voltage, log.under_voltage_unknown, log.seconds
    )


def _share(
    name: str, max_value: float, held: Counter[str], unknown: Counter[str], seconds: Counter[str]
) -> ValidityOutcome:
    """A condition that may hold in a share of the node-seconds."""
    if seconds and unknown.total() == seconds.total():
        return _unknown(name, f"≤ {format_percent(max_value)}")
    return _Limit(name, max_value).outcome(
        _percent(held.total(), seconds.total()),
        {node: _percent(held[node], of) for node, of in seconds.items()},
    )


def _clock_error(limits: ValidityLimits, log: FitnessLog) -> ValidityOutcome:
    limit = _Limit("clock_error", limits.clock_error_ms, format_latency)
    if not log.clock_error_kept:
        return _unknown(limit.check, f"≤ {format_latency(limit.max_value)}", "it is not kept in run.db")
    return limit.outcome(max(log.clock_error_ms.values(), default=None), log.clock_error_ms)


def _unknown(name: str, limit: str, why: str = "no node has a sensor for it") -> ValidityOutcome:
    return ValidityOutcome(name, limit, "unknown", None, ok=None, message=f"unknown: {why}")


def _nodes(log: FitnessLog, expected: int, min_nodes: int) -> ValidityOutcome:
    limit = f"≥ {min_nodes} of {expected}"
    nodes = _sorted(log.lost)
    if log.fewest_ready is None:
        return _no_data("nodes", limit, nodes)
    ok = log.fewest_ready >= min_nodes
    message = (
        "" if ok else f"only {log.fewest_ready} of {expected} nodes were ready at one time, fewer than {min_nodes}"
    )
    return ValidityOutcome("nodes", limit, str(log.fewest_ready), log.fewest_ready, ok, nodes, message)


def _no_data(name: str, limit: str, nodes: tuple[str, ...]) -> ValidityOutcome:
    message = f"{_NO_DATA}: nothing was recorded for {name} in the steady part"
    return ValidityOutcome(name, limit, _NO_DATA, None, ok=False, nodes=nodes, message=message)


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _shortened(percent: float) -> float:
    return float(f"{percent:.3g}")


def _rounded(value: float, max_value: float) -> float:
    return rounded(value, lambda short: short <= max_value)


def _sorted(nodes: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(nodes))
