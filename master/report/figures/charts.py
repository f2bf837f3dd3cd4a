"""The report's charts, as plain dictionaries for Plotly.newPlot, each with a sentence that says what it shows.

A colour that starts with `--` names a custom property of the style sheet; the page's script puts its value in, so that
charts follow the reader's colour scheme. Times are seconds since the run began; the script writes them on the axes.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from master import formatting
from master.report.fleet import FleetMap
from master.report.request_series import RequestLines
from master.report.series import Axis, Values

Chart = dict[str, Any]

LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 58, 14, 10, 26
PLAIN_HEIGHT_PX, STRIP_HEIGHT_PX = 190, 260
MAX_MAP_HEIGHT_PX = 600
LABEL_PX = 16  # a line of text, so that labels of nodes never meet
MAX_NODE_LABEL_LENGTH = 12  # characters beside a heat map; the tooltip has the whole name

# Inferno (van der Walt and Smith, 2015) without its ends, which would look like the page or like a missing sample.
INFERNO = ["#160b39", "#420a68", "#6a176e", "#932667", "#bc3754", "#dd513a", "#f37819", "#fca50a"]
VIRIDIS = [
    "#440154",
    "#482878",
    "#3e4989",
    "#31688e",
    "#26828e",
    "#1f9e89",
    "#35b779",
    "#6ece58",
    "#b5de2b",
    "#fde725",
]


@dataclass
class Figure:
    """One chart on the page. `keys` are the lines' names and colours, for the legend beside it."""

    id: str
    title: str
    unit: str
    summary: str
    height_px: int
    chart: Chart
    keys: list[tuple[str, str]] = field(default_factory=list)
    log_scale: bool = False


@dataclass(frozen=True)
class Line:
    """One line: its colour, what follows its values, and whether it moves in steps or is drawn in the strip below."""

    name: str
    color: str
    values: Sequence[float | None]
    steps: bool = False
    strip: bool = False


@dataclass(frozen=True)
class Timeline:
    """What all charts over time share: their axis, and spans in seconds: [start, end) held steady, and those without a controller."""

    axis: Axis
    steady: list[tuple[int, int]]
    gaps: list[tuple[float, float]] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    """When something happened to the whole run, in seconds."""


def time_figure(name: str, lines: Sequence[Line], time: Timeline, *, title: str, unit: str, summary: str) -> Figure:
    """Lines over time, above a lower strip with its own scale for those that would drown in the first."""
    strip = any(line.strip for line in lines)
    layout: Chart = {
        "margin": {"l": LEFT_PX, "r": RIGHT_PX, "t": TOP_PX, "b": BOTTOM_PX},
        "hovermode": "x",
        "showlegend": False,
        "xaxis": time_axis(time.axis) | ({"anchor": "y2"} if strip else {}),
        "yaxis": _value_axis(line for line in lines if not line.strip) | {"domain": [0.42, 1] if strip else [0, 1]},
        "shapes": [
            *(shade(start_s, end_s) for start_s, end_s in time.steady),
            *(shade(from_s, to_s, "--gap", "--gap-edge") for from_s, to_s in time.gaps),
            *(moment_line(moment_s) for moment_s in time.moments),
        ],
    }
    if strip:
        layout["yaxis2"] = _value_axis(line for line in lines if line.strip) | {"domain": [0, 0.28], "nticks": 3}
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": line.name,
            "x0": time.axis.start_s,
            "dx": time.axis.step_s,
            "y": [None if value is None else float(f"{value:.4g}") for value in line.values],
            "yaxis": "y2" if line.strip else "y",
            "hoverinfo": "none",
            "line": {"color": line.color, "width": 1.5, "shape": "hv" if line.steps else "linear"},
        }
        for line in lines
    ]
    chart = {"id": name, "kind": "time", "unit": unit, "data": data, "layout": layout}
    keys = [(line.name, line.color) for line in lines]
    return Figure(name, title, unit, summary, STRIP_HEIGHT_PX if strip else PLAIN_HEIGHT_PX, chart, keys)


def rate_figure(lines: RequestLines, time: Timeline) -> Figure:
    """Requests finished, and failed ones where there are any."""
    top, top_at = peak(lines.total_per_s, time)
    summary = f"At most {formatting.rate(top)}, at {top_at}."
    drawn = [Line("finished", "--blue", lines.total_per_s)]
    if any(lines.failed_per_s):
        worst, worst_at = peak(lines.failed_per_s, time)
        summary += f" At most {formatting.rate(worst)} failed, at {worst_at}; they have a scale of their own below."
        drawn.append(Line("failed", "--red", lines.failed_per_s, strip=True))
    else:
        summary += " None failed."
    return time_figure("rate", drawn, time, title="Requests", unit="/s", summary=summary)


def latency_figure(lines: RequestLines, time: Timeline) -> Figure:
    """Percentiles over time."""
    drawn = [
        Line(name, color, lines.percentiles_ms[name])
        for name, color in (("p99", "--blue-dark"), ("p95", "--blue"), ("p50", "--blue-light"))
    ]
    worst, worst_at = peak(lines.percentiles_ms["p99"], time)
    summary = (
        f"p99 was at most {formatting.latency(worst)}, at {worst_at}. Requests measured by unfit nodes are excluded."
    )
    figure = time_figure("latency", drawn, time, title="Latency", unit="ms", summary=summary)
    figure.log_scale = figure.chart["log"] = True
    return figure


def users_figure(users: Values, time: Timeline) -> Figure:
    """Users running."""
    most, _ = peak(users, time)
    summary = f"At most {formatting.count(most)} ran at a time."
    return time_figure(
        "users", [Line("running", "--blue", users, steps=True)], time, title="Users", unit="", summary=summary
    )


def lag_figure(lag_ms: Values, time: Timeline) -> Figure:
    """How late the workers' event loops ran."""
    worst, worst_at = peak(lag_ms, time)
    summary = (
        f"How late the slowest worker's event loop ran: at most {formatting.latency(worst)}, at {worst_at}."
        " What is late there looks like latency of the target."
    )
    return time_figure(
        "lag", [Line("largest", "--purple", lag_ms)], time, title="Event-loop lag", unit="ms", summary=summary
    )


def nodes_figure(ready: Values, hot: Values, lost: Values, time: Timeline) -> Figure:
    """Nodes by state; hot and lost ones only where there are any."""
    drawn = [Line("ready", "--blue", ready, steps=True)]
    least = min(value for value in ready if value is not None)
    most, _ = peak(ready, time)
    summary = (
        f"{formatting.count(least)} to {formatting.count(most)} were ready."
        if least < most
        else f"{formatting.count(most)} were ready."
    )
    troubled = []
    for name, color, values in (("hot", "--orange", hot), ("lost", "--red", lost)):
        worst, worst_at = peak(values, time)
        if worst:
            drawn.append(Line(name, color, values, steps=True, strip=True))
            troubled.append(f"{formatting.count(worst)} {name} (at {worst_at})")
    summary += f" At most {' and '.join(troubled)}." if troubled else " None was hot or lost."
    return time_figure("nodes", drawn, time, title="Nodes", unit="", summary=summary)


def controller_figure(lines: dict[str, Values], time: Timeline) -> Figure:
    """CPU and memory of the machine that runs the master."""
    peaks = [f"{name} at most {formatting.number(peak(values, time)[0])}\u00a0%" for name, values in lines.items()]
    colors = ("--blue", "--orange")
    drawn = [Line(name, color, values) for (name, values), color in zip(lines.items(), colors, strict=True)]
    summary = f"The machine that runs the master: {', '.join(peaks)}."
    figure = time_figure("controller", drawn, time, title="Controller", unit="%", summary=summary)
    figure.chart["layout"]["yaxis"]["range"] = [0, 104]
    return figure


@dataclass(frozen=True)
class Scale:
    """What the colours of a heat map mean."""

    unit: str
    low: int
    high: int
    colors: list[str]


# Fixed, so that a colour means the same in every report. The firmware throttles from 80 °C, in full at 85 °C.
TEMPERATURE = Scale("°C", 30, 85, INFERNO)
CPU = Scale("%", 0, 100, VIRIDIS)
# A Pi's lowest clock is a third of its highest (600 of 1800 MHz on a Pi 4).
CLOCK = Scale("%", 30, 100, VIRIDIS)


def users_scale(rows: list[Values]) -> Scale:
    """For users, of which each run has its own number."""
    return Scale("users", 0, max([1, *(int(value) for row in rows for value in row if value is not None)]), VIRIDIS)


def heat_map(
    name: str, title: str, fleet: FleetMap, rows: list[Values], scale: Scale, *, lowest: bool = False
) -> Figure:
    """All nodes over time, of which the highest are named, or the `lowest`.

    Cells without a sample show what is below, a grey that is on no scale. The page has `rows` beside the chart, under its
    name, since other charts show them too.
    """
    axis = fleet.axis
    plot_px = max(60, min(len(rows) * 18, MAX_MAP_HEIGHT_PX))
    closest = len(rows) * LABEL_PX / plot_px
    every = next((step for step in (1, 2, 5, 10, 20, 25, 50, 100) if step >= closest), math.ceil(closest))
    shown = list(range(0, len(rows), every))
    short = [_label(fleet.nodes[index]) for index in shown]
    longest = max((len(label) for label in short), default=0)
    layout: Chart = {
        "margin": {"l": max(LEFT_PX, 14 + 7 * longest), "r": RIGHT_PX, "t": 44, "b": BOTTOM_PX},
        "hovermode": "closest",
        "shapes": [shade(axis.start_s, axis.end_s, "--missing")],
        "xaxis": time_axis(axis) | {"showgrid": False},
        "yaxis": {
            "autorange": "reversed",
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
            "tickvals": shown,
            "ticktext": [html.escape(label) for label in short],
        },
    }
    data = {
        "type": "heatmap",
        "x0": axis.start_s + axis.step_s / 2,
        "dx": axis.step_s,
        "zmin": scale.low,
        "zmax": scale.high,
        "hoverinfo": "none",
        "hoverongaps": True,
        "colorscale": [[index / (len(scale.colors) - 1), color] for index, color in enumerate(scale.colors)],
        "colorbar": _color_bar(scale),
    }
    chart = {"id": name, "kind": "map", "unit": scale.unit, "data": [data], "layout": layout}
    return Figure(
        name,
        title,
        "" if scale.unit == "users" else scale.unit,
        _extremes(fleet, rows, scale.unit, lowest=lowest),
        plot_px + 44 + BOTTOM_PX,
        chart,
    )


def _color_bar(scale: Scale) -> Chart:
    span = scale.high - scale.low
    step = next((step for step in (1, 2, 5, 10, 20, 50, 100) if span / step <= 6), math.ceil(span / 6))
    ticks = list(range(scale.low, scale.high + 1, step))
    return {
        "orientation": "h",
        "thickness": 8,
        "lenmode": "pixels",
        "len": 240,
        "x": 1,
        "xanchor": "right",
        "y": 1,
        "ypad": 6,
        "yanchor": "bottom",
        "outlinewidth": 0,
        "tickvals": ticks,
        "ticktext": [f"{tick} {scale.unit}" if tick == ticks[-1] else str(tick) for tick in ticks],
    }


def _extremes(fleet: FleetMap, rows: list[Values], unit: str, *, lowest: bool) -> str:
    sign = -1 if lowest else 1
    peaks = []
    for node, row in zip(fleet.nodes, rows, strict=True):
        known = [(sign * value, -index) for index, value in enumerate(row) if value is not None]
        if known:
            value, index = max(known)
            peaks.append((value, node, formatting.moment(fleet.axis.start_s - index * fleet.axis.step_s)))
    peaks.sort(key=lambda peak: -peak[0])
    if not peaks:
        return "No node sent a value."
    first = [f"{node} {sign * value:g}\u00a0{unit} at {when}" for value, node, when in peaks[:3]]
    return f"{'Lowest' if lowest else 'Highest'}: {'; '.join(first)}."


def _label(node: str) -> str:
    return node if len(node) <= MAX_NODE_LABEL_LENGTH else f"…{node[1 - MAX_NODE_LABEL_LENGTH :]}"


def peak(values: Sequence[float | None], time: Timeline) -> tuple[float, str]:
    """The largest value, and when it first was reached; 0 of nothing."""
    value, index = max(((value, -index) for index, value in enumerate(values) if value is not None), default=(0.0, 0))
    return value, formatting.moment(time.axis.start_s - index * time.axis.step_s)


def time_axis(axis: Axis) -> Chart:
    """The axis of time, which the page's script writes the moments on."""
    return {"range": [axis.start_s, axis.end_s], "zeroline": False, "showgrid": True}


def _value_axis(lines: Iterable[Line]) -> Chart:
    """From zero, with room above the highest line."""
    highest = max((value for line in lines for value in line.values if value is not None), default=0) or 1
    return {
        "range": [0, highest * 1.06],
        "nticks": 5,
        "fixedrange": True,
        "separatethousands": True,
        "exponentformat": "none",
    }


def shade(start_s: float, end_s: float, color: str = "--steady", edge: str | None = None) -> Chart:
    """A span of time; with an `edge` it can be seen however short it is."""
    return {
        "type": "rect",
        "layer": "below",
        "xref": "x",
        "yref": "paper",
        "x0": start_s,
        "x1": end_s,
        "y0": 0,
        "y1": 1,
        "fillcolor": color,
        "line": {"width": 0} if edge is None else {"width": 1, "color": edge},
    }


def moment_line(moment_s: float) -> Chart:
    """A dotted line at a moment."""
    return {
        "type": "line",
        "layer": "below",
        "xref": "x",
        "yref": "paper",
        "x0": moment_s,
        "x1": moment_s,
        "y0": 0,
        "y1": 1,
        "line": {"width": 1, "dash": "dot", "color": "--cursor"},
    }
