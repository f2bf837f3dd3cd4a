"""Did the target keep its promises, beside the baseline: what changed, what else is to be known, and both distributions."""

from __future__ import annotations

from dataclasses import dataclass

from master.judge.faults import Faults
from master.judge.result import Comparison
from master.report.advice import METRICS
from master.report.comparison.rows import FigureRow, figure_rows, lines_below
from master.report.figures.charts import Figure
from master.report.figures.compared_distributions import compared_figure

MAX_FIGURES = 2000
"""Rows of the table of all figures; result.json has all of them."""


@dataclass(frozen=True)
class Compared:
    """What the page shows of a comparison."""

    changed: list[FigureRow]
    """The figures that are better or worse, each with the name of its endpoint."""
    rows: list[FigureRow]
    notes: list[str]
    advice: str
    figure: Figure | None


def compared_section(comparison: Comparison | None, faults: Faults) -> Compared | None:
    """The section; None where the run was compared with none."""
    if comparison is None:
        return None
    rows = _with_names([*figure_rows(comparison)])
    return Compared(
        [row for row in rows if row.outcome in {"better", "worse"}],
        rows[:MAX_FIGURES],
        lines_below(comparison),
        METRICS["baseline"] if comparison.outcome == "worse" else "",
        faults.attempt("the distributions of both runs", lambda: compared_figure(comparison), None),
    )


def _with_names(rows: list[FigureRow]) -> list[FigureRow]:
    name, found = "", []
    for row in rows:
        name = row.endpoint or name
        found.append(row._replace(endpoint=name))
    return found
