"""What a comparison says in words: its reason, a change, an interval."""

from __future__ import annotations

from collections.abc import Iterable

from master.formatting import counted, listed
from master.judge.result import Change, ComparedEndpoint, ComparedFigure, Comparison
from master.scenario.units import format_latency, format_rate, format_share
from worker.printable import printable

MAX_NAMED = 5
"""Figures that a reason names."""
OVERALL_NAME = "all requests"
COARSE_SHARE = 0.2
"""Of an interval's reach to one side; beyond it a reader is told."""


def together(outcomes: Iterable[Change]) -> Change:
    """What figures come to: worse when any is, else better when any is, else the same; unknown where all are."""
    found = set(outcomes)
    return next((one for one in ("worse", "better", "same") if one in found), "unknown")


def rows_of(comparison: Comparison) -> list[ComparedEndpoint]:
    """All requests together, and every endpoint; nothing where the runs can't be compared."""
    return [] if comparison.overall is None else [comparison.overall, *comparison.endpoints]


def endpoint_name(row: ComparedEndpoint) -> str:
    """METHOD NAME, for people."""
    return printable(f"{row.method} {row.name}") if row.name or row.method else OVERALL_NAME


def reason_for(comparison: Comparison) -> str:
    """Why the comparison comes to what it does, in one sentence."""
    if comparison.not_comparable:
        return f"The runs can't be compared: {'; '.join(comparison.not_comparable)}."
    if comparison.outcome == "same":
        assert comparison.method is not None  # figures were judged
        floors = comparison.method.floors
        return (
            f"None of {counted(comparison.method.figures, 'figure')} differs by more than chance and "
            f"{format_share(floors.share)} would explain." + _where_it_lies(comparison)
        )
    changed = [
        (row, metric, figure)
        for row in rows_of(comparison)
        for metric, figure in row.figures.items()
        if figure.outcome == comparison.outcome
    ]
    # An endpoint says more than all requests together, and a large change more than a small one.
    changed.sort(key=lambda each: (each[0] is comparison.overall, -abs(each[2].change or 0.0)))
    said = [f"{endpoint_name(row)} {metric} {change_text(metric, figure)}" for row, metric, figure in changed]
    return listed(said[:MAX_NAMED]) + (
        f", and {counted(len(said) - MAX_NAMED, 'more figure')}." if len(said) > MAX_NAMED else "."
    )


def coarseness(comparison: Comparison) -> list[str]:
    """What to tell of runs that are too short, or too restless, to show changes that people care for; nothing of others."""
    assert comparison.overall is not None  # the runs were compared
    p95 = comparison.overall.p95_ms
    if p95.unknown_because:
        return [f"{OVERALL_NAME}' p95 can't be compared: {p95.unknown_because}; hold the load for longer"]
    if p95.change is None or p95.change_high is None or p95.change_high - p95.change <= COARSE_SHARE:
        return []
    advice = "hold the load for longer, and let nothing else use the machines"
    return [f"the change of {OVERALL_NAME}' p95 is only known to lie within {interval_text('p95', p95)}: {advice}"]


def _where_it_lies(comparison: Comparison) -> str:
    assert comparison.overall is not None  # the runs were compared
    figure = comparison.overall.p95_ms
    return (
        ""
        if figure.change is None
        else f" The change of {OVERALL_NAME}' p95 lies within {interval_text('p95', figure)}."
    )


def change_text(metric: str, figure: ComparedFigure) -> str:
    """`+15 % (12.1 ms → 13.9 ms)`."""
    return f"{signed(metric, figure.change)} ({value_text(metric, figure.baseline)} → {value_text(metric, figure.run)})"


def value_text(metric: str, value: float | None) -> str:
    """A figure with its unit."""
    if value is None:
        return "–"
    if metric == "rate":
        return format_rate(value)
    return format_share(float(f"{value:.3g}")) if metric == "errors" else format_latency(value)


def signed(metric: str, share: float | None) -> str:
    """A change in percent, of the share of errors in points, with its sign."""
    if share is None:
        return "–"
    unit = "points" if metric == "errors" else "%"
    percent = 100 * share
    digits = 0 if abs(percent) >= 99.5 else 1 if abs(percent) >= 0.95 or not percent else 2
    text = f"{percent:+.{digits}f}"
    return f"{'0' if float(text) == 0 else text} {unit}"


def interval_text(metric: str, figure: ComparedFigure) -> str:
    """`+9.1 to +21 %`."""
    if figure.change_low is None or figure.change_high is None:
        return "–"
    low = signed(metric, figure.change_low).partition(" ")[0]
    return f"{low} to {signed(metric, figure.change_high)}"
