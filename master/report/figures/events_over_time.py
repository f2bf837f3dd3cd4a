"""Events on the axis of time: one row for each kind, with a mark where something happened."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from master import formatting
from master.report.figures.charts import BOTTOM_PX, LEFT_PX, RIGHT_PX, TOP_PX, Chart, Figure, Timeline, shade, time_axis
from master.store import Event

MAX_KINDS = 10
"""Rows; further kinds share one."""
COLUMNS = 100
"""Events of one kind in one of so many parts of the run share a mark."""
MAX_TEXTS = 4
"""Events that a mark tells of, beside the number of the others."""
MAX_LETTERS = 160
ROW_PX = 34
"""With the name of the row above its marks."""
MAX_LINES = 12
"""Moments that are marked in every chart over time."""
FURTHER = "other"


@dataclass
class Mark:
    """Events of one kind that are too close to be told apart in the chart."""

    kind: str
    offset_s: float
    """Of the first of them."""
    events: int = 0
    texts: list[tuple[str, str]] = field(default_factory=list)
    """Of the first few: when, and what."""


def event_marks(events: Sequence[Event], time: Timeline) -> list[Mark]:
    """The marks of `events`, which are in order of time: at most COLUMNS for each of MAX_KINDS kinds and the rest."""
    kinds = [kind for kind, _ in Counter(event.kind for event in events).most_common(MAX_KINDS)]
    width_s = max(1.0, (time.axis.end_s - time.axis.start_s) / COLUMNS)
    marks: dict[tuple[str, int], Mark] = {}
    for event in events:
        kind = event.kind if event.kind in kinds else FURTHER
        key = (kind, int((event.offset_s - time.axis.start_s) / width_s))
        mark = marks.setdefault(key, Mark(kind, event.offset_s))
        mark.events += 1
        if len(mark.texts) < MAX_TEXTS:
            said = " ".join(part for part in (event.kind if kind == FURTHER else "", event.node, event.detail) if part)
            mark.texts.append((formatting.moment(event.offset_s), _short(said)))
    return list(marks.values())


def moments_of_the_run(events: Sequence[Event], time: Timeline) -> list[float]:
    """When something happened to the whole run, not to a node alone: at most MAX_LINES moments, none of them close to another."""
    near_s = (time.axis.end_s - time.axis.start_s) / 100
    found: list[float] = []
    for event in events:
        if event.node is None and len(found) < MAX_LINES and (not found or event.offset_s - found[-1] >= near_s):
            found.append(event.offset_s)
    return found


def events_figure(events: Sequence[Event], time: Timeline) -> Figure:
    """The marks of `events`, of which there is at least one."""
    marks = event_marks(events, time)
    kinds = list(dict.fromkeys(mark.kind for mark in marks if mark.kind != FURTHER))
    kinds += [FURTHER] * any(mark.kind == FURTHER for mark in marks)
    layout: Chart = {
        "margin": {"l": LEFT_PX, "r": RIGHT_PX, "t": TOP_PX, "b": BOTTOM_PX},
        "hovermode": "closest",
        "hoverdistance": 12,
        "showlegend": False,
        "xaxis": time_axis(time.axis),
        "yaxis": {
            "range": [len(kinds) - 0.6, -0.8],
            "fixedrange": True,
            "zeroline": False,
            "showticklabels": False,
            "tickvals": list(range(len(kinds))),
        },
        "shapes": [
            *(shade(start_s, end_s) for start_s, end_s in time.steady),
            *(shade(from_s, to_s, "--gap", "--gap-edge") for from_s, to_s in time.gaps),
        ],
    }
    data = {
        "type": "scatter",
        "mode": "markers",
        "x": [round(mark.offset_s, 1) for mark in marks],
        "y": [kinds.index(mark.kind) for mark in marks],
        "hoverinfo": "none",
        "marker": {
            "color": "--blue",
            "symbol": "line-ns",
            "size": [min(12, 8 + mark.events) for mark in marks],
            "line": {"width": 2, "color": "--blue"},
        },
    }
    chart = {
        "id": "events-over-time",
        "kind": "events",
        "unit": "",
        "kinds": kinds,
        "titles": [_title(kind, row) for row, kind in enumerate(kinds)],
        "marks": [[mark.events, mark.texts] for mark in marks],
        "data": [data],
        "layout": layout,
    }
    height_px = TOP_PX + BOTTOM_PX + ROW_PX * len(kinds)
    return Figure("events-over-time", "Events", "", _summary(events), height_px, chart)


def _summary(events: Sequence[Event]) -> str:
    often = Counter(event.kind for event in events)
    said = [f"{kind} ({formatting.count(number)})" for kind, number in often.most_common()]
    text = f"{formatting.counted(len(events), 'event')}: {formatting.listed(said, 5)}."
    if any(event.node is None for event in events):
        text += " Dotted lines in the charts below are moments that concern the whole run."
    return text


def _title(kind: str, row: int) -> Chart:
    return {
        "text": html.escape(kind),
        "x": 0,
        "y": row,
        "xref": "paper",
        "yref": "y",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 5,
        "showarrow": False,
        "font": {"size": 11},
    }


def _short(text: str) -> str:
    return text if len(text) <= MAX_LETTERS else f"{text[: MAX_LETTERS - 1]}…"
