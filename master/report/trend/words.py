"""The words for a trend's figures. Pure."""

from __future__ import annotations

from master import formatting
from master.analysis.trend.document import Change, Series, Trend, TrendRun


def value_text(metric: str, value: float | None) -> str:
    """A value with its unit."""
    if value is None:
        return formatting.NOTHING
    if metric == "errors_share":
        return formatting.share(value)
    return formatting.rate(value) if metric == "rate_per_s" else formatting.latency(value)


def metric_title(metric: str) -> str:
    """`p95` of p95_ms."""
    return metric.split("_", 1)[0]


def change_text(change: Change) -> str:
    """`+12 % (+9.1 to +15)`, of errors in percentage points."""
    if change.relative is None or change.relative_low is None or change.relative_high is None:
        values = (change.difference, change.difference_low, change.difference_high)
        unit = "points"
    else:
        values = (change.relative, change.relative_low, change.relative_high)
        unit = "%"
    shift, low, high = (_signed(100 * value) for value in values)
    return f"{shift}\u00a0{unit} ({low} to {high})"


def levels_text(metric: str, change: Change) -> str:
    """`43.1 ms → 48.3 ms`."""
    return f"{value_text(metric, change.before)} → {value_text(metric, change.after)}"


def run_text(run: TrendRun) -> str:
    """A run, and when it began."""
    return run.name if run.started_at is None else f"{run.name} ({formatting.clock(run.started_at)})"


def reason_text(trend: Trend) -> str:
    """What was found, in one sentence."""
    changed = [series for series in trend.series if series.changes]
    if trend.used < trend.min_runs:
        return f"{formatting.counted(trend.used, 'run')}: changes are looked for from {trend.min_runs} on"
    if not changed:
        return f"no change in {formatting.counted(trend.used, 'run')}"
    worse = sum(any(change.outcome == "worse" for change in series.changes) for series in changed)
    return (
        f"{len(changed)} of {len(trend.series)} figures changed over {formatting.counted(trend.used, 'run')},"
        f" {worse} for the worse at least once"
    )


def changed_first(trend: Trend) -> list[Series]:
    """The series that changed, the latest change first, and those that the same run changed by endpoint."""
    changed = [series for series in trend.series if series.changes]
    return sorted(changed, key=lambda series: -series.changes[-1].run)


def _signed(value: float) -> str:
    text = formatting.number(abs(value))
    return text if text in ("0", formatting.NOTHING) else f"{'+' if value > 0 else '-'}{text}"
