"""How latencies are distributed in a run and in its baseline, endpoint by endpoint."""

from __future__ import annotations

from master.analysis.compare.words import OVERALL_NAME, rows_of
from master.judge.result import ComparedEndpoint, Comparison
from master.report.figures.charts import Figure
from master.report.figures.distribution import HEIGHT_PX, BaselineCurves, percentiles_chart

MAX_SHOWN_AT_FIRST = 3
"""Endpoints, of which each has two lines."""


def compared_figure(comparison: Comparison) -> Figure | None:
    """Both distributions, at first those of endpoints that changed; None where there is none to be drawn."""
    percents = [percent for percent in comparison.distribution_percents if percent < 100]
    found = [row for row in rows_of(comparison) if row.run_distribution_ms or row.baseline_distribution_ms]
    if not found:
        return None
    names = [_name(row) for row in found]
    order = sorted(range(len(found)), key=lambda index: (not _changed(found[index]), index))
    chart = percentiles_chart(
        "compared",
        names,
        percents,
        [_values(row.run_distribution_ms, len(percents)) for row in found],
        shown=order[:MAX_SHOWN_AT_FIRST],
        baseline=BaselineCurves(
            percents,
            {
                name: _values(row.baseline_distribution_ms, len(percents))
                for name, row in zip(names, found, strict=True)
            },
        ),
    )
    summary = "Solid lines are of this run, dashed ones of the baseline; shown at first are the endpoints that changed."
    return Figure("compared", "Latency distribution of both runs", "ms", summary, HEIGHT_PX, chart)


def _name(row: ComparedEndpoint) -> str:
    return f"{row.method} {row.name}".strip() or OVERALL_NAME


def _changed(row: ComparedEndpoint) -> bool:
    return any(figure.outcome in {"better", "worse"} for figure in row.figures.values())


def _values(distribution_ms: list[float | None], length: int) -> list[float | None]:
    return (distribution_ms + [None] * length)[:length]
