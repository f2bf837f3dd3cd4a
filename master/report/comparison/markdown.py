"""A comparison as Markdown, for the page of a CI job or a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from master.judge.result import Comparison
from master.report.comparison.rows import HEADINGS, FigureRow, figure_rows, lines_below
from master.report.markdown_parts import as_code, as_text, section


def comparison_markdown(comparison: Comparison) -> str:
    """The whole comparison: what changed, and what else is to be known; all figures below it, folded."""
    rows = section("All figures", HEADINGS, map(_cells, _named(comparison)))
    parts = [
        f"## {_outcome(comparison)}: {as_code(comparison.run.run_id)} beside {as_code(comparison.baseline.run_id)}",
        as_text(comparison.reason),
        *_changed(comparison, "What changed"),
        "\n".join(f"- {as_text(line)}" for line in lines_below(comparison)),
        *(["<details>", *rows, "</details>"] if rows else []),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def comparison_lines(comparison: Comparison) -> list[str]:
    """The part of a run's summary that tells of its baseline."""
    said = f"{_outcome(comparison)} than {as_code(comparison.baseline.run_id)}" if _differs(comparison) else ""
    said = said or f"{_outcome(comparison)}: {as_code(comparison.baseline.run_id)}"
    heading = f"### Beside the baseline\n\n{said}. {as_text(comparison.reason)}"
    return [heading, *_changed(comparison, "What changed since the baseline")]


def _changed(comparison: Comparison, heading: str) -> list[str]:
    changed = [row for row in _named(comparison) if row.outcome in {"better", "worse"}]
    return section(heading, HEADINGS, map(_cells, changed))


def _named(comparison: Comparison) -> Iterable[FigureRow]:
    name = ""
    for row in figure_rows(comparison):
        name = row.endpoint or name
        yield row._replace(endpoint=name)


def _cells(row: FigureRow) -> list[str]:
    return [as_code(row.endpoint), *map(as_text, row[1:])]


def _differs(comparison: Comparison) -> bool:
    return comparison.outcome in {"better", "worse"}


def _outcome(comparison: Comparison) -> str:
    return "Not comparable" if comparison.outcome == "unknown" else comparison.outcome.capitalize()
