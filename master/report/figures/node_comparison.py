"""The chart of a few nodes: heat, clock and users on one axis of time, and below them when each was throttled.

The page's script draws it, from what the heat maps show and for the nodes that the reader chooses.
"""

from __future__ import annotations

from master import formatting
from master.report.figures.charts import BOTTOM_PX, LEFT_PX, RIGHT_PX, Chart, Figure, Timeline, shade, time_axis
from master.report.fleet import FleetMap
from master.report.throttling_table import MAX_SHOWN, flagged_nodes

PANEL_PX, BETWEEN_PX, LANE_PX, TOP_PX = 128, 30, 18, 24
"""Heights of a panel, of what is between panels (the title of the next), of a node's lane, and above the first panel."""
PANELS = 3
THROTTLES_FROM_C = 80


def comparison_figure(fleet: FleetMap, time: Timeline, shown: list[int], *, unfit: bool = False) -> Figure:
    """The chart, with the rows `shown` at first; `unfit` says that some of them were unfit to measure."""
    temperatures_c = [track.highest_c for track in fleet.tracks if track.highest_c is not None]
    clocks = [value for track in fleet.tracks for value in track.clock_percent if value is not None]
    users = [value for track in fleet.tracks for value in track.users if value is not None]
    axis = {"fixedrange": True, "zeroline": False}
    layout: Chart = {
        "margin": {"l": LEFT_PX, "r": RIGHT_PX, "t": TOP_PX, "b": BOTTOM_PX},
        "hovermode": "x",
        "showlegend": False,
        "xaxis": time_axis(time.axis) | {"anchor": "y4"},
        "yaxis": axis | {"range": _around(temperatures_c, 40, THROTTLES_FROM_C + 5), "nticks": 4},
        "yaxis2": axis | {"range": [min(40.0, *clocks, 100.0) - 6, 106], "nticks": 4},
        "yaxis3": axis | {"range": [0, max([1.0, *users]) * 1.08], "nticks": 4, "tickformat": ",d"},
        "yaxis4": axis | {"showgrid": False, "autorange": "reversed"},
        "shapes": [
            *(shade(start_s, end_s) for start_s, end_s in time.steady),
            *(shade(from_s, to_s, "--gap", "--gap-edge") for from_s, to_s in time.gaps),
        ],
    }
    chart = {
        "id": "together",
        "kind": "together",
        "shown": shown,
        "most": MAX_SHOWN,
        "names": list(formatting.CONDITIONS.values()),
        "bits": list(formatting.CONDITIONS),
        "throttles_from_c": THROTTLES_FROM_C,
        "panels": [
            {
                "rows": "temperature",
                "name": "temperature",
                "title": "temperature, °C",
                "unit": "°C",
                "known": fleet.has_temperature,
            },
            {
                "rows": "clock",
                "name": "clock",
                "title": "clock, % of the highest of its model",
                "unit": "%",
                "known": fleet.has_clock,
                "steps": True,
            },
            {
                "rows": "node-users",
                "name": "users",
                "title": "users",
                "unit": "users",
                "known": fleet.has_users,
                "steps": True,
            },
        ],
        "sizes": {"panel": PANEL_PX, "between": BETWEEN_PX, "lane": LANE_PX, "top": TOP_PX, "bottom": BOTTOM_PX},
        "data": [],
        "layout": layout,
    }
    height_px = TOP_PX + PANELS * (PANEL_PX + BETWEEN_PX) + LANE_PX * len(shown) + BOTTOM_PX
    return Figure("together", "Side by side", "", _summary(fleet, unfit=unfit), height_px, chart)


def _around(values: list[float], low: float, high: float) -> list[float]:
    return [min([low, *values]) - 2, max([high, *values]) + 2]


def _summary(fleet: FleetMap, *, unfit: bool) -> str:
    worst = flagged_nodes(fleet)
    if not worst:
        shown = "those that were unfit the longest, and one that stayed fit" if unfit else "the warmest"
        return f"No node is known to have had a throttling flag. Shown are {shown}."
    first = worst[0]
    longest = f"{first.name}, for {formatting.duration(max(first.flagged, first.hot) * fleet.period_s)}"
    return (
        f"Longest with a throttling flag or at 80\u00a0°C: {longest}. Shown are the nodes that were throttled, hot or unfit the longest,"
        " and one that stayed fit."
    )
