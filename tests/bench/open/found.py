"""What one tool found on one target, and how far ours is from the others. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from stalling_cases import BOUND, PERCENTS
from theory import Request, percentile

CURVE = tuple(tenth / 10 for tenth in range(1000))
"""The percentiles of a curve."""


@dataclass(frozen=True, slots=True)
class Found:
    """Latencies that one tool found in the window. Where there are none, `missing` says why."""

    tool: str
    latency_ms: Mapping[float, float]
    """By percentile: those of PERCENTS and of CURVE."""
    requests: int = 0
    missed: int = 0
    """Arrivals of the window's run that could not be started."""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much ours is off from another tool at one percentile, as a share of the other's."""

    percent: float
    of: str
    share: float

    @property
    def within(self) -> bool:
        """Whether it is within the bound."""
        return abs(self.share) <= BOUND


def found_of(tool: str, latencies_ms: Sequence[float], missed: int = 0) -> Found:
    """Return what a tool found whose every latency is known."""
    ordered = sorted(latencies_ms)
    values = {each: percentile(ordered, each) for each in (*PERCENTS, *CURVE)}
    return Found(tool, values, len(ordered), missed)


def found_of_requests(tool: str, requests: Iterable[Request], begin_s: float, end_s: float) -> Found:
    """Return what was found of the requests whose answer came in [begin_s, end_s), which is what a window of a run counts."""
    return found_of(tool, [1000 * each.latency_s for each in requests if begin_s <= each.answered_s < end_s])


def differences(ours: Found, other: Found) -> list[Difference]:
    """Return by how much `ours` is off from `other` at each judged percentile; nothing where one of them is missing."""
    if ours.missing or other.missing:
        return []
    return [
        Difference(each, other.tool, ours.latency_ms[each] / other.latency_ms[each] - 1)
        for each in PERCENTS
        if not math.isnan(other.latency_ms[each])
    ]


def unevenness(arrived_s: Sequence[float], rate_per_s: float, begin_s: float, end_s: float) -> float:
    """Return by how much the median tenth of a second of this span is off from the rate, as a share of it."""
    tenths = [0] * int((end_s - begin_s) * 10)
    for at_s in arrived_s:
        if begin_s <= at_s and (tenth := int((at_s - begin_s) * 10)) < len(tenths):
            tenths[tenth] += 1
    return median(abs(each / (rate_per_s / 10) - 1) for each in tenths)
