"""What each validity check allows, as a number in the check's unit. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from master.scenario import Scenario

Unit = Literal["ms", "percent", "c", "count"]


@dataclass(frozen=True)
class CheckLimit:
    """The limit of one check: what is observed is in the same unit."""

    unit: Unit
    op: Literal["<=", ">="]
    of: Callable[[Scenario], float]


CHECK_LIMITS = {
    "loop_lag_p99": CheckLimit("ms", "<=", lambda scenario: scenario.validity.loop_lag_p99_ms),
    "worker_cpu": CheckLimit("percent", "<=", lambda scenario: scenario.validity.worker_cpu_percent),
    "node_cpu": CheckLimit("percent", "<=", lambda scenario: scenario.validity.node_cpu_percent),
    "node_memory": CheckLimit("percent", "<=", lambda scenario: scenario.validity.node_memory_percent),
    "node_temperature": CheckLimit("c", "<=", lambda scenario: scenario.validity.node_temperature_c),
    "throttling": CheckLimit("percent", "<=", lambda scenario: scenario.validity.throttling_percent),
    "under_voltage": CheckLimit("percent", "<=", lambda scenario: scenario.validity.under_voltage_percent),
    "controller_cpu": CheckLimit("percent", "<=", lambda scenario: scenario.validity.controller_cpu_percent),
    "clock_error": CheckLimit("ms", "<=", lambda scenario: scenario.validity.clock_error_ms),
    "missing_samples": CheckLimit("percent", "<=", lambda scenario: scenario.validity.missing_samples_percent),
    "nodes": CheckLimit("count", ">=", lambda scenario: scenario.nodes.min),
    "excluded_share": CheckLimit("percent", "<=", lambda scenario: scenario.validity.excluded_share_percent),
    "arrivals": CheckLimit("percent", "<=", lambda scenario: scenario.validity.arrivals_percent),
    "users": CheckLimit("percent", ">=", lambda scenario: scenario.validity.users_percent),
    "local_errors": CheckLimit("count", "<=", lambda scenario: scenario.validity.local_errors),
    "latency_error": CheckLimit("percent", "<=", lambda scenario: scenario.validity.latency_error_percent),
    "doubtful_thresholds": CheckLimit("count", "<=", lambda _: 0),
}
"""By check."""
