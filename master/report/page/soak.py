"""The soak's section of the page: the metrics, and the subjects of each that drift or come closest to it."""

from __future__ import annotations

from typing import NamedTuple

from master.analysis.soak.metrics import show, show_rate
from master.formatting import number
from master.judge.result import Soak, SoakMetric, SoakSubject

SHOWN_SUBJECTS = 5
"""Of each metric; result.json has more."""
SPARK_WIDTH, SPARK_HEIGHT = 160, 28
_MARGIN = 2


_TO_DO = {
    "p95": "See whether errors or the target's memory rise along: what is kept per request or session, an index that is missing, a full disk.",
    "errors": "See since when, and which errors, in the table of errors over time.",
    "target_memory": "See what the target keeps per request or per session, and whether it settles in a longer run.",
    "node_memory": "One node: see what else runs on it. All of them: the users' code, the release, the system's own updates.",
    "controller_memory": "Report it to those who make piswarm, with run.db.",
    "node_temperature": "One node: its fan, its place, dust. All of them: the room, and the time of day in a longer run.",
}
"""What helps where a metric drifts."""


class SubjectRow(NamedTuple):
    """One subject as it stands on the page."""

    name: str
    drifts: bool
    per_day: str
    interval: str
    change: str
    began: str
    spark: list[str]
    """Points of the polylines that draw its blocks; a new one after each block that has no value."""


class MetricRow(NamedTuple):
    """One metric as it stands on the page."""

    name: str
    of: str
    ok: bool | None
    """None: unknown. Where the scenario has no limit, whether nothing drifts."""
    limit: str
    detectable: str
    message: str
    to_do: str
    """What helps; empty where nothing drifts."""
    subjects: list[SubjectRow]
    left: int
    """How many of those that drift have no row."""


def soak_rows(soak: Soak | None) -> list[MetricRow]:
    """The metrics of which anything is known, or that have a limit; nothing without a soak."""
    if soak is None:
        return []
    return [_metric(row) for row in soak.metrics if row.subjects or row.limit_per_day is not None]


def _metric(row: SoakMetric) -> MetricRow:
    # With one subject the row of the metric says it all; else those that drift, and the closest where none does.
    shown = [each for each in row.worst if each.drifts] or row.worst[:1]
    return MetricRow(
        name=row.metric,
        of=row.of,
        ok=row.ok if row.limit_per_day is not None else (not row.drifting if row.subjects else None),
        limit="none" if row.limit_per_day is None else show_rate(row.limit_per_day, row.unit),
        detectable="–" if row.detectable_per_day is None else show_rate(row.detectable_per_day, row.unit),
        message=row.message,
        to_do=_TO_DO[row.metric] if row.drifting else "",
        subjects=[_subject(each, row) for each in shown[:SHOWN_SUBJECTS]],
        left=max(0, row.drifting - SHOWN_SUBJECTS),
    )


def _subject(subject: SoakSubject, row: SoakMetric) -> SubjectRow:
    unit = row.unit
    return SubjectRow(
        name=subject.subject,
        drifts=subject.drifts,
        per_day=show_rate(subject.per_day, unit),
        interval=f"{show(subject.low_per_day, unit)} to {show(subject.high_per_day, unit)}",
        change=show(subject.change, unit),
        began=f"{number(subject.level)} ms" if unit == "percent" else show(subject.level, unit),
        spark=spark(subject.blocks),
    )


def spark(values: list[float | None]) -> list[str]:
    """Points of a small line through `values`, from their lowest to their highest, in an area of SPARK_WIDTH by SPARK_HEIGHT."""
    known = [value for value in values if value is not None]
    if not known:
        return []
    lowest, highest = min(known), max(known)
    step = (SPARK_WIDTH - 2 * _MARGIN) / max(1, len(values) - 1)
    scale = (SPARK_HEIGHT - 2 * _MARGIN) / (highest - lowest) if highest > lowest else 0.0
    lines: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            lines.append([])
        else:
            height = SPARK_HEIGHT / 2 if not scale else SPARK_HEIGHT - _MARGIN - (value - lowest) * scale
            lines[-1].append(f"{_MARGIN + index * step:.1f},{height:.1f}")
    return [" ".join(line) for line in lines if line]
