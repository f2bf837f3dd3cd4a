"""The verdict of a soak: every series tested, the tests of a metric judged together, limits held against what drifts. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from master.analysis.soak.adjustment import DAY_S, RHYTHM_FROM_S
from master.analysis.soak.blocks import MIN_USABLE_S, WARM_UP_SHARE, Blocks, divide, longest_hold
from master.analysis.soak.discovery import adjust
from master.analysis.soak.drift import Drift, drifts_of
from master.analysis.soak.measured import read_series
from master.analysis.soak.metrics import FALSE_ALARM_PERCENT, MAX_RANK_P, METRICS, Metric, show_rate
from master.analysis.soak.series import Floats, Series
from master.formatting import counted, duration, listed
from master.judge.result.soak import Soak, SoakMetric, SoakSubject, SoakVerdict
from master.store import StoreReader

LEVEL = FALSE_ALARM_PERCENT / 100 / len(METRICS)
"""False discovery rate within one metric, so that all of them together keep FALSE_ALARM_PERCENT."""
MAX_WORST = 20
MAX_UNDECIDED_SHARE = 0.05
"""Of the subjects of which it may be unknown whether a limit holds: the odd node was lost, or there too late."""
_NAMED = 3
_WHOLE_FLEET_SHARE = 0.8


class _Judged(NamedTuple):
    drift: Drift
    adjusted_p: float
    scale: float
    """From the series' unit to the metric's."""
    floor_per_day: float
    detectable_per_day: float

    @property
    def per_day(self) -> float:
        return self.drift.per_day * self.scale

    @property
    def seen(self) -> bool:
        """Whether it certainly rises, and still does, however slowly."""
        drift = self.drift
        return (
            self.adjusted_p <= LEVEL
            and drift.fit.rank_p_value <= MAX_RANK_P
            and drift.fit.lasting
            and drift.per_day > 0
        )

    @property
    def drifts(self) -> bool:
        return self.seen and self.per_day >= self.floor_per_day

    def decided(self, limit: float) -> bool:
        """Whether a drift beyond `limit` would have been seen, or is none that the slope's interval allows."""
        highest = self.per_day + self.drift.half_width_per_day * self.scale
        return self.drifts or min(self.detectable_per_day, highest) <= limit


def assess(store: StoreReader, limits_per_day: Mapping[str, float], sample_period_s: float = 1.0) -> Soak:
    """The soak of a run, by the limits that its scenario gives for some of METRICS, in their units per day.

    Raises sqlite3.Error where run.db can't be read.
    """
    hold = longest_hold((row.second, row.stage, row.steady) for row in store.seconds())
    blocks = divide(hold, sample_period_s)
    if blocks is None:
        return _too_short(hold, limits_per_day)
    return judge(read_series(store, blocks), blocks, limits_per_day)


def judge(series: Mapping[str, Sequence[Series]], blocks: Blocks, limits_per_day: Mapping[str, float]) -> Soak:
    """The verdict on `series` by metric; those of METRICS that are missing have nothing measured."""
    metrics = [
        _metric(metric, series.get(name, ()), blocks, limits_per_day.get(name)) for name, metric in METRICS.items()
    ]
    verdict, reason = _verdict(metrics, blocks)
    return Soak(
        verdict=verdict,
        reason=reason,
        hold_from_s=blocks.hold_start_s,
        hold_to_s=blocks.hold_end_s,
        warm_up_s=blocks.start_s - blocks.hold_start_s,
        block_s=blocks.length_s,
        blocks=blocks.count,
        false_alarm_percent=FALSE_ALARM_PERCENT,
        metrics=metrics,
    )


def _metric(metric: Metric, series: Sequence[Series], blocks: Blocks, limit: float | None) -> SoakMetric:
    span_s = blocks.length_s * blocks.count
    times_s = blocks.start_s + blocks.length_s * (np.arange(blocks.count, dtype=np.float64) + 0.5)
    found = drifts_of(series, times_s, span_s)
    known = [drift for drift in found if drift is not None]
    allowed = metric.usual_per_day if limit is None else limit
    smallest = metric.noticeable * DAY_S / span_s
    floor = max(allowed, smallest)
    judged = _judged(metric, known, floor, floor if limit is None else smallest)
    drifting = [row for row in judged if row.drifts]
    unseen = len(judged) if smallest > allowed else sum(not row.decided(allowed) for row in judged)
    undecided = len(found) - len(known) + unseen
    ok = None
    if limit is not None:
        ok = False if drifting else (True if judged and undecided <= MAX_UNDECIDED_SHARE * len(found) else None)
    detectable = float(np.quantile([row.detectable_per_day for row in judged], 0.9)) if judged else None
    worst = sorted(judged, key=lambda row: (not row.drifts, not row.seen, row.adjusted_p, -row.per_day))[:MAX_WORST]
    return SoakMetric(
        metric=metric.name,
        of=metric.of,
        unit=metric.unit,
        limit_per_day=limit,
        floor_per_day=_rounded(floor),
        ok=ok,
        subjects=len(known),
        unknown_subjects=len(found) - len(known),
        drifting=len(drifting),
        detectable_per_day=None if detectable is None else _rounded(detectable),
        message=_message(metric, judged, drifting, detectable, limit, ok),
        worst=[_subject(row, span_s) for row in worst],
    )


def _judged(metric: Metric, known: Sequence[Drift], floor: float, smallest: float) -> list[_Judged]:
    """`smallest` is the least drift that could be called one, if nothing varied at all."""
    if not known:
        return []
    adjusted = adjust(np.array([drift.p_value for drift in known]))
    # A single one that drifts must pass this: the first step of Benjamini and Hochberg.
    level = LEVEL / len(known)
    judged = []
    for drift, adjusted_p in zip(known, adjusted, strict=True):
        scale = (100 / drift.fit.level if drift.fit.level > 0 else 0.0) if metric.relative else 1.0
        least = max(drift.detectable_per_day(level) * scale, smallest)
        judged.append(_Judged(drift, float(adjusted_p), scale, floor, least))
    return judged


def _subject(row: _Judged, span_s: float) -> SoakSubject:
    found, half_width = row.drift.fit, row.drift.half_width_per_day * row.scale
    return SoakSubject(
        subject=found.subject,
        drifts=row.drifts,
        per_day=_rounded(row.per_day),
        low_per_day=_rounded(row.per_day - half_width),
        high_per_day=_rounded(row.per_day + half_width),
        change=_rounded(row.per_day * span_s / DAY_S),
        level=_rounded(found.level),
        detectable_per_day=_rounded(row.detectable_per_day),
        adjusted_p=_rounded(row.adjusted_p),
        rank_p=_rounded(found.rank_p_value),
        lasting=found.lasting,
        blocks=_values(found.values),
    )


def _message(  # noqa: PLR0917  # all that can be said of a metric
    metric: Metric,
    judged: Sequence[_Judged],
    drifting: Sequence[_Judged],
    detectable: float | None,
    limit: float | None,
    ok: bool | None,
) -> str:
    if detectable is None:
        return f"{metric.noun}: nothing was measured" + ("" if limit is None else ", so the limit can't be judged")
    allowed = "" if limit is None else f", limit {show_rate(limit, metric.unit)}"
    if drifting:
        first = sorted(drifting, key=lambda row: -row.per_day)
        named = listed([f"{row.drift.fit.subject} by {show_rate(row.per_day, metric.unit)}" for row in first], _NAMED)
        said = f"{metric.noun} rises: {named}{allowed}"
        many = len(drifting) >= _WHOLE_FLEET_SHARE * len(judged) and len(judged) > 1
        return f"{said}; it is {len(drifting)} of {len(judged)}, so look at what they share" if many else said
    least = show_rate(detectable, metric.unit)
    if limit is not None and ok is None:
        return f"{metric.noun}: a drift of {show_rate(limit, metric.unit)} can't be seen in a run so short or uneven; {least} could"
    resting = [row for row in judged if row.adjusted_p <= LEVEL and not row.drift.fit.lasting and row.drift.per_day > 0]
    rest = f"; {counted(len(resting), 'subject')} rose and came to rest" if resting else ""
    return f"{metric.noun}: no drift{allowed}; one of {least} or more would have been seen{rest}"


def _verdict(metrics: Sequence[SoakMetric], blocks: Blocks) -> tuple[SoakVerdict, str]:
    over = f"over {_duration(blocks.length_s * blocks.count)}"
    drifting = [row for row in metrics if row.drifting]
    if drifting:
        return "drift", f"drift {over}: " + "; ".join(row.message for row in drifting)
    undecided = [row for row in metrics if row.limit_per_day is not None and row.ok is None]
    if undecided:
        return "unknown", f"unknown {over}: " + "; ".join(row.message for row in undecided)
    if not any(row.subjects for row in metrics):
        return "unknown", "unknown: nothing was measured that could drift"
    rhythm = "" if blocks.length_s * blocks.count >= RHYTHM_FROM_S else ", of which a daily rhythm would be a part"
    return "no drift", f"no drift {over}{rhythm if blocks.length_s >= 600 else ''}"


def _too_short(hold: tuple[int, int], limits_per_day: Mapping[str, float]) -> Soak:
    start_s, end_s = hold
    least_s = math.ceil(MIN_USABLE_S / (1 - WARM_UP_SHARE))
    reason = f"unknown: the longest hold has {_duration(end_s - start_s)}, and {_duration(least_s)} are the least in which drift can be judged"
    return Soak(
        verdict="unknown",
        reason=reason,
        hold_from_s=start_s,
        hold_to_s=end_s,
        warm_up_s=0,
        block_s=0,
        blocks=0,
        false_alarm_percent=FALSE_ALARM_PERCENT,
        metrics=[
            SoakMetric(
                metric=name,
                of=metric.of,
                unit=metric.unit,
                limit_per_day=limits_per_day.get(name),
                floor_per_day=limits_per_day.get(name, metric.usual_per_day),
                ok=None,
                subjects=0,
                unknown_subjects=0,
                drifting=0,
                detectable_per_day=None,
                message=f"{metric.noun}: the hold is too short",
                worst=[],
            )
            for name, metric in METRICS.items()
        ],
    )


def _duration(seconds: float) -> str:
    """For sentences that also go to a terminal."""
    return duration(seconds).replace("\u00a0", " ")


def _values(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else _rounded(float(value)) for value in values]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
