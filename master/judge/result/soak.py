"""The verdict of a soak in a result: whether anything drifted, and how slow a drift could have been seen."""

from __future__ import annotations

from typing import Literal

import msgspec

SoakVerdict = Literal["no drift", "drift", "unknown"]
DriftUnit = Literal["percent", "percentage_points", "bytes", "c"]
"""Of the numbers of a metric: percent of where it began, percentage points, bytes, degrees Celsius; rates are per day."""


class SoakSubject(msgspec.Struct, kw_only=True):
    """One endpoint, node or process of a metric, and how it changed. All but `blocks` and the p values are in the metric's unit."""

    subject: str
    """METHOD NAME of an endpoint, `all requests`, a node's name, `controller`, `target`."""
    drifts: bool
    """Whether it rises beyond what its metric allows."""
    per_day: float
    """The slope of Theil and Sen, what heat and the time of day explain left out."""
    low_per_day: float
    high_per_day: float
    """The ends of the slope's interval of 95 %."""
    change: float
    """Over all blocks, at that slope."""
    level: float
    """Where the trend began; in ms for a latency."""
    detectable_per_day: float
    """The least drift that would have been found with a chance of 90 %."""
    adjusted_p: float
    """The chance of such a slope without drift, adjusted for all subjects of the metric."""
    rank_p: float
    """The same by Mann and Kendall, not adjusted."""
    lasting: bool
    """Whether it still rose in the second half; else it has come to rest."""
    blocks: list[float | None]
    """What was measured in each block; null where nothing was. In ms for a latency."""


class SoakMetric(msgspec.Struct, kw_only=True):
    """One metric of a soak over all its subjects."""

    metric: str
    """As in a scenario's `soak`: p95, errors, target_memory, node_memory, controller_memory or node_temperature."""
    of: Literal["target", "generator"]
    """Whose drift it is: that of the target makes FAIL, that of the generator INVALID, where the scenario limits it."""
    unit: DriftUnit
    limit_per_day: float | None
    """The scenario's limit; null where it has none, and the metric is looked at all the same."""
    floor_per_day: float
    """No slower rise is called a drift: the limit, or a usual one where there is none, and what is noticeable at all in so short a run."""
    ok: bool | None
    """Whether the limit holds; null where there is no limit, or the run is too short or too noisy to tell."""
    subjects: int
    """That were looked at."""
    unknown_subjects: int
    """That have too few blocks with a value."""
    drifting: int
    """Subjects that drift."""
    detectable_per_day: float | None
    """The least drift that would have been found with a chance of 90 %, in nine of ten subjects; null without any."""
    message: str
    """For people: what was found."""
    worst: list[SoakSubject]
    """Those that drift, then those that come closest to it; the first few."""


class Soak(msgspec.Struct, kw_only=True):
    """Whether anything drifted in the longest hold of the run."""

    verdict: SoakVerdict
    """`unknown` where nothing was found and a limit of the scenario can't be judged."""
    reason: str
    """The verdict in a sentence, with what drifts, or why it is unknown."""
    hold_from_s: int
    hold_to_s: int
    """The hold that was looked at, in seconds of the run."""
    warm_up_s: int
    """Left out at its start."""
    block_s: int
    blocks: int
    """Of `block_s` seconds each; 0 where the hold is too short for any."""
    false_alarm_percent: float
    """The chance that a run without any drift is said to have one, over all metrics and subjects."""
    metrics: list[SoakMetric]
