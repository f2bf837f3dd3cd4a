"""What is looked at in a soak, and from where on a drift of it matters. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from master.judge.result.soak import DriftUnit

MB = 1e6
FALSE_ALARM_PERCENT = 5.0
"""Chance of any false alarm in a run; each metric has its part of it."""
MAX_RANK_P = 0.05
"""Of the second test, that of Mann and Kendall."""


@dataclass(frozen=True)
class Metric:
    """One metric. A rise that is slower than `usual_per_day`, or comes to less than `noticeable` over the run, is no drift."""

    name: str
    of: Literal["target", "generator"]
    unit: DriftUnit
    usual_per_day: float
    """In place of a limit that the scenario does not give."""
    noticeable: float
    """The least change in all that can be told from rounding and allocation in steps."""
    noun: str
    relative: bool = False
    """Whether its slope is in percent of where the trend began."""


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("p95", "target", "percent", 5.0, 2.0, "p95", relative=True),  # a histogram's bucket is 2 % wide
        Metric("errors", "target", "percentage_points", 0.5, 0.01, "errors"),
        Metric("target_memory", "target", "bytes", 10 * MB, MB, "the target's memory"),
        Metric("node_memory", "generator", "bytes", 10 * MB, MB, "memory of nodes"),
        Metric("controller_memory", "generator", "bytes", 10 * MB, MB, "the controller's memory"),
        Metric("node_temperature", "generator", "c", 3.0, 1.0, "temperature of nodes"),
    )
}


def show(value: float, unit: DriftUnit) -> str:
    """A number of a metric for people, with its unit."""
    match unit:
        case "bytes":
            size, name = next(
                ((size, name) for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if abs(value) >= size), (1, "B")
            )
            return f"{_short(value / size)} {name}"
        case "c":
            return f"{_short(value)} °C"
        case "percentage_points":
            return f"{_short(value)} % points"
        case "percent":
            return f"{_short(value)} %"


def show_rate(per_day: float, unit: DriftUnit) -> str:
    """A rate of a metric for people."""
    return f"{show(per_day, unit)}/day"


def _short(value: float) -> str:
    return f"{float(f'{value:.3g}'):.12g}"
