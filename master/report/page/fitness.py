"""Were the machines fit: the checks of the generator, and which requests are excluded since they were not."""

from __future__ import annotations

from dataclasses import dataclass

from master import formatting
from master.judge.result import ClockOffset, Latency, Result
from master.report.page.judged_rows import JudgedRow, check_rows, summary

EXCLUDING_CHECKS = ("loop_lag_p99", "worker_cpu", "node_cpu", "node_memory", "node_temperature", "clock_error")
"""The checks whose limits also decide whether a single second of a worker is excluded."""

MAX_NAMED = 10
"""Nodes whose clock is off that a sentence names; result.json has all of them."""


@dataclass(frozen=True)
class Fitness:
    """What the page says of the generator."""

    checks: list[JudgedRow]
    summary: str
    clocks_off: str
    excluded: str
    excluded_limit: str
    """Empty where it is not known."""
    unfit_limits: list[str]
    latencies: list[tuple[str, Latency]]
    """With and without the excluded requests; nothing where there were none."""
    differences: list[str]
    """By how much each percentile would be more with them."""


def fitness_section(result: Result) -> Fitness:
    """The section, from the result alone."""
    checks = check_rows(result.validity)
    limits = {row.name: row.limit for row in checks}
    fit, everything = result.latency_ms, result.latency_all_ms
    names = ("p50", "p90", "p95", "p99", "p999", "max")
    return Fitness(
        checks,
        summary(checks),
        formatting.listed(_clocks_off(result.clocks_off), MAX_NAMED),
        formatting.share(result.excluded_share or 0.0),
        limits.get("excluded_share", ""),
        [f"{name} {limits[name]}" for name in EXCLUDING_CHECKS if name in limits],
        [("fit nodes only, as above", fit), ("all nodes", everything)] if result.excluded_share else [],
        [formatting.difference(getattr(fit, name), getattr(everything, name)) for name in names],
    )


def _clocks_off(clocks: list[ClockOffset]) -> list[str]:
    """The worst first."""
    ordered = sorted(clocks, key=lambda clock: (-abs(clock.offset_s), formatting.natural(clock.node)))
    return [f"{clock.node} ({formatting.ahead(clock.offset_s)})" for clock in ordered]
