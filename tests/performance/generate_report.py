"""Makes one HTML page of the newest results and their history: results/report.html.

python tests/performance/generate_report.py [--results FOLDER] [--out FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import history
import jinja2
import suites

WIDTH, HEIGHT = 240, 40

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Performance</title><style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .2rem .8rem .2rem 0; }
tr { border-bottom: 1px solid #ddd; } .FAIL, .bad { color: #b00020; font-weight: 600; } .PASS { color: #1b6e2d; }
polyline { fill: none; stroke: #2458a6; stroke-width: 1.5; }
</style></head><body><h1>Performance</h1>
{% for name, each in measured.items() %}
<h2>{{ name }}</h2>
<p><b>{{ figures[name].key }} {{ each[figures[name].key] if each[figures[name].key] is not none else "–" }} {{ figures[name].unit }}</b>,
{{ each.started_at }}, <span class="{{ each.verdict }}">{{ each.verdict }}</span> {{ each.reason }}</p>
{% if lines[name] %}<svg width="{{ width }}" height="{{ height }}" role="img" aria-label="History of {{ figures[name].key }}">
<polyline points="{{ lines[name] }}"/></svg> {{ counts[name] }} results{% endif %}
<table><tr><th>gate</th><th>observed</th><th></th></tr>
{% for gate in each.gates %}<tr><td>{{ gate.rule }}</td><td>{{ gate.observed or "–" }}</td>
<td class="{{ "" if gate.ok else "bad" }}">{{ "held" if gate.ok else "broken" }}</td></tr>
{% endfor %}</table>
{% endfor %}</body></html>
"""


def points(values: Sequence[float]) -> str:
    """The values as the points of a line from left to right, the largest on top; nothing for fewer than two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = high - low or 1.0
    step = (WIDTH - 4) / (len(values) - 1)
    return " ".join(
        f"{2 + index * step:.1f},{2 + (HEIGHT - 4) * (1 - (value - low) / span):.1f}"
        for index, value in enumerate(values)
    )


def page(measured: Mapping[str, history.Measured], values: Mapping[str, Sequence[float]]) -> str:
    """The whole page, which needs no other file."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(PAGE).render(
        measured=measured,
        figures=suites.FIGURES,
        lines={name: points(each) for name, each in values.items()},
        counts={name: len(each) for name, each in values.items()},
        width=WIDTH,
        height=HEIGHT,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 2 where there are no results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=suites.FOLDER / "results", help="folder of the results")
    parser.add_argument("--out", type=Path, help="default: report.html in that folder")
    options = parser.parse_args(arguments)
    try:
        measured = history.newest(options.results)
        values = {name: history.figures(history.all_of(name, options.results), name) for name in measured}
    except history.HistoryError as error:
        print(error, file=sys.stderr)
        return 2
    if not measured:
        print(f"{options.results}: no results; measure first, with a suite's script", file=sys.stderr)
        return 2
    out = options.out or options.results / "report.html"
    out.write_text(page(measured, values), "utf-8")
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
