"""A series as a small drawing: points of SVG in the unit square, which the page stretches. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from master.analysis.trend.document import Series, Trend
from master.report.trend.words import change_text, levels_text, metric_title, run_text, value_text

WIDTH, HEIGHT = 1000, 100
"""Of the drawing's own units."""
MAX_POINTS = 400
"""Points of one drawing: the latest runs; --json has all."""


@dataclass(frozen=True)
class Point:
    """A run's value."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Stretch:
    """The level between two changes."""

    x1: float
    x2: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """One series. `low` and `high` are what its lower and upper edge stand for."""

    label: str
    title: str
    latest: str
    level: str
    low: str
    high: str
    points: list[Point]
    stretches: list[Stretch]
    changes: list[tuple[float, str]]
    """Where each change is, and whether it is `better` or `worse`."""
    said: list[tuple[str, str, str, str]]
    """Of each change the outcome, by how much, the levels, and since which run; the latest first."""


def drawing_of(trend: Trend, series: Series) -> Drawing | None:
    """None where nothing was measured."""
    measured = [(index, value) for index, value in enumerate(series.values) if value is not None]
    if not measured:
        return None
    shown = measured[-MAX_POINTS:]
    levels = [each for change in series.changes for each in (change.before, change.after)]
    values = [value for _, value in shown] + levels
    least, most = min(values), max(values)
    margin = 0.08 * (most - least) or 0.05 * abs(most) or 1.0
    low, high = max(0.0, least - margin), most + margin
    places = {index: WIDTH * (place + 0.5) / len(shown) for place, (index, _) in enumerate(shown)}

    def height(value: float) -> float:
        return round(HEIGHT * (1 - (value - low) / (high - low)), 2)

    step = WIDTH / len(shown)
    borders = [round(places[change.run] - step / 2, 2) for change in series.changes if change.run in places]
    seen = [change for change in series.changes if change.run in places]
    ends = [0.0, *borders, float(WIDTH)]
    first = seen[0].before if seen else series.level
    heights = [] if first is None else [first, *(change.after for change in seen)]
    return Drawing(
        label=series.label,
        title=metric_title(series.metric),
        latest=value_text(series.metric, measured[-1][1]),
        level=value_text(series.metric, series.level),
        low=value_text(series.metric, low),
        high=value_text(series.metric, high),
        points=[
            Point(
                round(places[index], 2),
                height(value),
                f"{run_text(trend.runs[index])}: {value_text(series.metric, value)}",
            )
            for index, value in shown
        ],
        stretches=[Stretch(ends[place], ends[place + 1], height(level)) for place, level in enumerate(heights)],
        changes=[(border, change.outcome) for border, change in zip(borders, seen, strict=True)],
        said=[
            (
                change.outcome,
                change_text(change),
                levels_text(series.metric, change),
                run_text(trend.runs[change.run]),
            )
            for change in reversed(series.changes)
        ],
    )
