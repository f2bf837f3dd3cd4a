"""The rows of a comparison's table, whatever it is written in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from master.analysis.compare.words import endpoint_name, interval_text, rows_of, signed, value_text
from master.judge.result import Change, ComparedEndpoint, Comparison

HEADINGS = ("endpoint", "figure", "baseline", "run", "change", "it lies within", "outcome")
_FIRST = {"worse": 0, "better": 1}


class FigureRow(NamedTuple):
    """One figure of one endpoint, in words."""

    endpoint: str
    """Empty where it is that of the row before."""
    metric: str
    baseline: str
    run: str
    change: str
    interval: str
    outcome: Change


def figure_rows(comparison: Comparison) -> Iterator[FigureRow]:
    """Every figure of which anything is known: all requests together, then the endpoints, those that changed first, then the busiest."""
    rows = rows_of(comparison)
    for row in [*rows[:1], *sorted(rows[1:], key=_order)]:
        name = endpoint_name(row)
        for metric, figure in row.figures.items():
            if figure.baseline is None and figure.run is None:
                continue
            yield FigureRow(
                name,
                metric,
                value_text(metric, figure.baseline),
                value_text(metric, figure.run),
                signed(metric, figure.change),
                figure.unknown_because or interval_text(metric, figure),
                figure.outcome,
            )
            name = ""


def too_few(comparison: Comparison) -> list[str]:
    """The endpoints of which nothing could be compared."""
    return [
        endpoint_name(row)
        for row in rows_of(comparison)
        if all(figure.baseline is None and figure.run is None for figure in row.figures.values())
    ]


def lines_below(comparison: Comparison) -> list[str]:
    """What a reader should know beside the table, a sentence each."""
    said = [f"Note: {note}." for note in comparison.notes]
    for word, names in (
        ("Only the baseline asked for", comparison.only_in_baseline),
        ("Only the run asked for", comparison.only_in_run),
        ("Too few requests to compare", too_few(comparison)),
    ):
        if names:
            said.append(f"{word}: {', '.join(names)}.")
    method = comparison.method
    if method is not None:
        floors = method.floors
        said.append(
            f"All {method.figures} intervals hold together with {100 * method.confidence:g} % confidence. What changes by no more than "
            f"{100 * floors.share:g} %, a latency by no more than {floors.latency_ms:g} ms, and errors by no more than "
            f"{100 * floors.error_share:g} points count as the same."
        )
    return said


def _order(row: ComparedEndpoint) -> tuple[int, int]:
    changed = min(_FIRST.get(figure.outcome, 2) for figure in row.figures.values())
    return changed, -row.run_requests
