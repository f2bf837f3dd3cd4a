"""A comparison as Markdown, for the page of a CI job or a pull request."""

from __future__ import annotations

import re

from master.judge.result import Comparison
from master.report.comparison.rows import HEADINGS, FigureRow, figure_rows, lines_below
from worker.printable import printable


def comparison_markdown(comparison: Comparison) -> str:
    """The whole comparison; what changed stands above, all figures below it, folded."""
    verdict = "not comparable" if comparison.outcome == "unknown" else comparison.outcome
    rows = [*figure_rows(comparison)]
    changed = [row for row in _with_names(rows) if row.outcome in {"better", "worse"}]
    parts = [
        f"## {verdict.capitalize()}: {_text(comparison.run.run_id)} beside {_text(comparison.baseline.run_id)}",
        _text(comparison.reason),
        _table(changed) if changed else "",
        "\n".join(f"- {_text(line)}" for line in lines_below(comparison)),
        f"<details><summary>All figures</summary>\n\n{_table(rows)}\n\n</details>" if rows else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _with_names(rows: list[FigureRow]) -> list[FigureRow]:
    name, found = "", []
    for row in rows:
        name = row.endpoint or name
        found.append(row._replace(endpoint=name))
    return found


def _table(rows: list[FigureRow]) -> str:
    lines = [HEADINGS, ("---", "---", "--:", "--:", "--:", "---", "---"), *(tuple(map(_text, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """`text` as it is, whatever of it Markdown or HTML would take for its own."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", text)
