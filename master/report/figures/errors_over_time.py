"""Errors by kind over time, one upon the other, so that the upper edge is all of them."""

from __future__ import annotations

from dataclasses import replace

from master import formatting
from master.report.figures.charts import PLAIN_HEIGHT_PX, Figure, Line, Timeline, peak, time_figure
from master.report.request_series import ErrorLines

MAX_KINDS = 6
"""Kinds with a colour of their own; the others are one more."""
MAX_LETTERS = 80
"""Of an error beside the chart; the table of errors has more of it."""


def errors_figure(errors: ErrorLines, time: Timeline) -> Figure:
    """The most frequent kinds of `errors`, of which there is at least one."""
    kinds = list(errors.per_s)
    lines = [
        Line(_short(error), f"--node-{number}", errors.per_s[error], steps=True)
        for number, error in enumerate(kinds[:MAX_KINDS], 1)
    ]
    if further := kinds[MAX_KINDS:]:
        together = [sum(numbers) for numbers in zip(*(errors.per_s[error] for error in further), strict=True)]
        lines.append(Line(formatting.counted(len(further), "other kind"), "--quiet", together, steps=True))
    whole = [sum(numbers) for numbers in zip(*errors.per_s.values(), strict=True)]
    own = replace(time, axis=errors.axis)
    worst, worst_at = peak(whole, own)
    most = kinds[0]
    summary = (
        f"{formatting.counted(len(kinds), 'kind')}, at most {formatting.rate(worst)} in all, from {worst_at} on."
        f" The most frequent: {_short(most)} ({formatting.count(errors.totals[most])} times)."
    )
    figure = time_figure("errors-over-time", lines, own, title="Errors by kind", unit="/s", summary=summary)
    figure.height_px = PLAIN_HEIGHT_PX
    layout = figure.chart["layout"]
    layout["xaxis"]["range"] = [time.axis.start_s, time.axis.end_s]
    layout["yaxis"]["range"] = [0, (max(whole) or 1) * 1.06]
    for trace in figure.chart["data"]:
        trace["y"].append(trace["y"][-1])  # a step lasts until the next point, and so the last one needs another
        trace |= {"stackgroup": "all", "fillcolor": trace["line"]["color"]}
        trace["line"] = trace["line"] | {"width": 0.5}
    return figure


def _short(error: str) -> str:
    return error if len(error) <= MAX_LETTERS else f"{error[: MAX_LETTERS - 1]}…"
