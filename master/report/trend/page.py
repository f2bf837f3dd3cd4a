"""A trend's page: one file without a script, which asks the network for nothing. Names are hostile input, and are escaped."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from master import formatting
from master.analysis.trend.document import Trend
from master.report.trend.drawing import Drawing, drawing_of
from master.report.trend.words import changed_first, reason_text
from worker.atomic_write import atomic_write_public

MAX_ENDPOINTS = 200
"""Endpoints with drawings of all their metrics."""

MAX_CHANGED = 100
"""Drawings of what changed, the latest changes first."""
MAX_NAMED_POINTS = 20_000
"""Points below the endpoints that say of which run they are when they are pointed at: 3 MB; of more, only those that changed do."""


def write_page(trend: Trend, path: Path) -> None:
    """Write the page. Raises OSError where `path` can't be written."""
    atomic_write_public(path, render(trend).encode(errors="replace"))


def render(trend: Trend) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("master.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": formatting.clock, "shortened": formatting.shortened, "share": formatting.share}
    environment.globals |= {"counted": formatting.counted, "number": formatting.number, "NOTHING": formatting.NOTHING}
    assert environment.loader is not None
    styles = [environment.loader.get_source(environment, name)[0] for name in ("report.css", "trend/trend.css")]
    endpoints, changed = _by_endpoint(trend), changed_first(trend)
    shown = endpoints[:MAX_ENDPOINTS]
    used = [run for run in trend.runs if run.left_out is None]
    return environment.get_template(
        "trend/trend.html"
    ).render(
        trend=trend,
        style=Markup("\n".join(styles)),  # noqa: S704  # our own files
        reason=reason_text(trend),
        first=used[0],
        last=used[-1],
        changed=[drawing for series in changed[:MAX_CHANGED] if (drawing := drawing_of(trend, series))],
        changed_left=len(changed) - MAX_CHANGED,
        endpoints=shown,
        names_shown=sum(len(one.points) for _, drawings in shown for one in drawings) <= MAX_NAMED_POINTS,
        endpoints_left=len(endpoints) - MAX_ENDPOINTS,
        left_out=[run for run in reversed(trend.runs) if run.left_out is not None],
        used=used[::-1],
    )


def _by_endpoint(trend: Trend) -> list[tuple[str, list[Drawing]]]:
    found = []
    for label, rows in groupby(trend.series, key=lambda series: series.label):
        drawings = [drawing for series in rows if (drawing := drawing_of(trend, series))]
        if drawings:
            found.append((label, drawings))
    return found
