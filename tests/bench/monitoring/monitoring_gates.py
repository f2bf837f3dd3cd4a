"""The floors of the monitoring, and what the rounds make of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from target_gates import Gate

NO_FLOOR = 0.0
"""The bound of a figure that is only there to be compared."""
FLOORS: Mapping[str, Mapping[str, tuple[str, str, float, str]]] = {
    "recording": {"record": ("record 3000 metrics", "<", 100, "ms")},
    "cache": {"reads": ("10 000 cache reads", "<", 10, "ms"), "hits": ("hits among them", ">", 95, "%")},
    "limits": {"checks": ("10 000 rate-limit checks", "<", 50, "ms")},
    "requests": {"rate": ("10 000 requests of 100 concurrent workers", ">", 1000, "/s")},
    "export": {"scrape": ("Prometheus export of 2000 metrics", "<", 100, "ms")},
    "spans": {"span": ("one tracing span", "<", 100, "µs")},
    "stalls": {
        "turn": ("longest turn of the event loop, 1000 spans/s", "<", 5, "ms"),
        "sdk": ("the same with the SDK in the worker", ">=", NO_FLOOR, "ms"),
    },
    "alerts": {"evaluations": ("1000 alert evaluations", "<", 50, "ms")},
    "memory": {"entries": ("memory of 1000 cached entries", "<", 1.4, "MB")},
    "off": {"ratio": ("GET/s with tracing off, to those without it", ">=", 0.99, "")},
}
"""By area and figure: what is measured, and its bound."""


@dataclass(frozen=True)
class Measured:
    """A floor, and the value of each round."""

    gate: Gate
    rounds: Sequence[float]
    median: float


def measured(area: str, values: Mapping[str, Sequence[float]]) -> list[Measured]:
    """The floors of an area, by the medians of its rounds."""
    found = []
    for figure, rounds in values.items():
        title, sign, bound, unit = FLOORS[area][figure]
        middle = median(rounds)
        reached = within_noise(rounds, bound) if area == "off" else middle
        found.append(Measured(Gate(area, title, sign, bound, unit, reached), rounds, middle))
    return found


def within_noise(ratios: Sequence[float], least: float) -> float:
    """The median; `least` where it is below by no more than the rounds scatter.

    Half of n rounds lie between their quartiles; the median is known to about that width over the root of n.
    """
    ordered, middle = sorted(ratios), median(ratios)
    quarter = len(ordered) // 4
    width = ordered[-quarter - 1] - ordered[quarter]
    return max(middle, min(least, middle + width / len(ordered) ** 0.5))
