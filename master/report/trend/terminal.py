"""A trend in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from master import formatting
from master.analysis.trend.document import Series, Trend
from master.report.trend.words import (
    change_text,
    changed_first,
    levels_text,
    metric_title,
    reason_text,
    run_text,
    value_text,
)

BARS = "▁▂▃▄▅▆▇█"
MAX_BARS = 30
"""The latest values that are drawn."""
MAX_LEFT_OUT = 10
_STYLES = {"worse": "bold red", "better": "bold green"}


def print_trend(console: Console, trend: Trend, *, everything: bool) -> None:
    """Print the changes, the latest values, which runs were left out, and last what was found."""
    changed = changed_first(trend)
    if changed:
        console.print(_changes(trend, changed))
        console.print()
    shown = [each for each in trend.series if everything or each.method is None or each.changes]
    console.print(_latest(shown))
    hidden = len(trend.series) - len(shown)
    if hidden:
        console.print(
            Text(f"and {formatting.counted(hidden, 'figure')} of endpoints without a change; --all shows them")
        )
    console.print()
    _say_runs(console, trend)
    console.print(Text(reason_text(trend), style="bold"), soft_wrap=True)


def _changes(trend: Trend, changed: Iterable[Series]) -> Table:
    table = _table("endpoint", "metric", "", "change (95 %)", "level", "since")
    for series in changed:
        for change in reversed(series.changes):
            table.add_row(
                Text(formatting.shortened(series.label), style="bold"),
                metric_title(series.metric),
                Text(change.outcome, style=_STYLES[change.outcome]),
                Text(change_text(change)),
                Text(levels_text(series.metric, change)),
                Text(run_text(trend.runs[change.run])),
            )
    return table


def _latest(shown: Sequence[Series]) -> Table:
    table = _table("endpoint", "metric", "latest", "level", "over runs")
    for column in (2, 3):
        table.columns[column].justify = "right"
    for series in shown:
        measured = [value for value in series.values if value is not None]
        latest = measured[-1] if measured else None
        table.add_row(
            Text(formatting.shortened(series.label), style="bold" if series.changes else ""),
            metric_title(series.metric),
            Text(value_text(series.metric, latest)),
            Text(value_text(series.metric, series.level)),
            Text(bars(measured[-MAX_BARS:])),
        )
    return table


def bars(values: Sequence[float]) -> str:
    """A bar for each value, from the least to the largest."""
    if not values:
        return ""
    least, extent = min(values), max(values) - min(values)
    if not extent:
        return BARS[0] * len(values)
    return "".join(BARS[min(int((value - least) / extent * len(BARS)), len(BARS) - 1)] for value in values)


def _say_runs(console: Console, trend: Trend) -> None:
    left_out = [run for run in trend.runs if run.left_out is not None]
    lines = [f"left out: {run.name}: {run.left_out}" for run in left_out[:MAX_LEFT_OUT]]
    if len(left_out) > MAX_LEFT_OUT:
        lines.append(
            f"left out: {formatting.counted(len(left_out) - MAX_LEFT_OUT, 'more run')}; --json has the reasons"
        )
    noted = [run for run in trend.runs if run.left_out is None and run.notes]
    lines += [f"note: {run.name}: {'; '.join(run.notes)}" for run in noted[-MAX_LEFT_OUT:]]
    if lines:
        console.print(Text(f"runs are like: {trend.like}"), soft_wrap=True)
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
