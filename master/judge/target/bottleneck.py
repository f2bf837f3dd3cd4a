"""Whether the embedded target was what kept a run from doing more. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

BUSY_PERCENT = 85.0
"""Of one core: the embedded target handles its requests in one thread, and has no more to give."""
MIN_BUSY_SHARE = 0.5


def find_bottleneck(cpu_percent: Mapping[int, float], steady_seconds: Sequence[int]) -> str | None:
    """What to tell of a target that used about one core, by second, for most of the steady part; None for any other."""
    measured = [cpu_percent[second] for second in steady_seconds if second in cpu_percent]
    busy = [percent for percent in measured if percent >= BUSY_PERCENT]
    if len(busy) <= MIN_BUSY_SHARE * len(steady_seconds):
        return None
    return (
        f"The embedded target was the bottleneck: its process used {median(busy):.0f} % of one core, which is all it can use, in "
        f"{len(busy)} of {len(steady_seconds)} steady seconds; rates and latencies are its own limits."
    )
