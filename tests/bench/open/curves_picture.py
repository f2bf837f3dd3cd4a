"""The latencies of all tools as one SVG: a panel a case, percentiles from left to right. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from found import CURVE, Found
from stalling_cases import PERCENTS, Case

PANEL_WIDTH, PANEL_HEIGHT = 300, 260
LEFT, TOP, BETWEEN, BELOW = 56, 48, 62, 44
LEGEND_LINE, LEGEND_WIDTH = 18, 180
_FIRST, _LAST = 50.0, 99.9
"""The percentiles at a panel's edges."""

_STYLES = (
    ("#9aa0a6", 5.0, ""),
    ("#0072b2", 2.5, ""),
    ("#56b4e9", 2.0, "5 3"),
    ("#009e73", 2.0, ""),
    ("#d55e00", 2.0, ""),
    ("#e69f00", 2.0, "2 3"),
)
"""Colour, width and dashes of the tools' lines, in their order; colours that differ for the colour-blind too (Okabe, Ito)."""


def draw(panels: Sequence[tuple[Case, Sequence[Found]]]) -> str:
    """Return the picture. Tools have the same order in each panel; what is missing is left out."""
    tools = [found.tool for found in panels[0][1]]
    width = LEFT + len(panels) * (PANEL_WIDTH + BETWEEN)
    columns = max(1, (width - LEFT) // LEGEND_WIDTH)
    height = TOP + PANEL_HEIGHT + BELOW + LEGEND_LINE * math.ceil(len(tools) / columns) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (case, found) in enumerate(panels):
        parts.append(f'<g transform="translate({LEFT + number * (PANEL_WIDTH + BETWEEN)} {TOP})">')
        parts += _panel(case, found)
        parts.append("</g>")
    for number, tool in enumerate(tools):
        x = LEFT + number % columns * LEGEND_WIDTH
        y = TOP + PANEL_HEIGHT + BELOW + LEGEND_LINE * (number // columns) + 8
        parts.append(_line(number, [(x, y - 4), (x + 30, y - 4)]))
        parts.append(f'<text x="{x + 38}" y="{y}">{escape(tool)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(case: Case, found: Sequence[Found]) -> Iterator[str]:
    shown = [each for each in found if not each.missing]
    step_ms = _step_ms(max(max(each.latency_ms.values()) for each in shown))
    top_ms = step_ms * math.ceil(max(max(each.latency_ms.values()) for each in shown) / step_ms)
    yield f'<text x="0" y="-28" font-weight="bold">{escape(case.name)}</text>'
    yield f'<text x="0" y="-12" font-size="11">{escape(case.title)}</text>'
    for number in range(round(top_ms / step_ms) + 1):
        y = _y(number * step_ms, top_ms)
        yield f'<line x1="0" x2="{PANEL_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e3e3"/>'
        yield f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{number * step_ms:g}</text>'
    for percent in PERCENTS:
        x = _x(percent)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{PANEL_HEIGHT}" stroke="#e3e3e3"/>'
        yield f'<text x="{x:.1f}" y="{PANEL_HEIGHT + 16}" text-anchor="middle">p{percent:g}</text>'
    yield f'<text x="-44" y="{PANEL_HEIGHT / 2}" transform="rotate(-90 -44 {PANEL_HEIGHT / 2})" text-anchor="middle">ms</text>'
    for number, each in enumerate(found):
        if not each.missing:
            points = [
                (_x(percent), _y(each.latency_ms[percent], top_ms)) for percent in CURVE if _FIRST <= percent <= _LAST
            ]
            yield _line(number, points)


def _line(number: int, points: Sequence[tuple[float, float]]) -> str:
    color, width, dashes = _STYLES[number % len(_STYLES)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}" stroke-dasharray="{dashes}"/>'
    )


def _x(percent: float) -> float:
    """Each further nine takes as much room as the one before."""

    def nines(percent: float) -> float:
        return -math.log10(1 - percent / 100)

    return PANEL_WIDTH * (nines(percent) - nines(_FIRST)) / (nines(_LAST) - nines(_FIRST))


def _y(latency_ms: float, top_ms: float) -> float:
    return PANEL_HEIGHT * (1 - latency_ms / top_ms)


def _step_ms(highest_ms: float) -> float:
    """Return 1, 2 or 5 times a power of ten, for five to ten lines."""
    power = 10 ** math.floor(math.log10(highest_ms / 5))
    return next(factor * power for factor in (1, 2, 5, 10) if highest_ms / (factor * power) <= 8)
