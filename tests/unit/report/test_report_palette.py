"""The report's colours: told apart by readers who see no red or no green, and strong enough to be read on the page."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

import master.report

Rgb = tuple[float, float, float]

STYLE = Path(master.report.__file__).parent / "templates" / "report.css"
TOGETHER = (
    [f"node-{number}" for number in range(1, 7)],
    ["blue-dark", "blue", "blue-light"],
    ["blue-light", "purple"],
    ["blue", "orange"],
    ["blue", "red"],
    ["orange", "red"],
    ["throttled", "under-voltage", "capped", "free", "missing"],
)
"""Colours that stand beside each other in one chart."""
LINES = sorted({name for names in TOGETHER[:-1] for name in names})
TEXTS = ("text", "quiet", "good", "bad", "blue")
MIN_DIFFERENCE = 20.0
"""In CIELAB; 2.3 is just noticeable between areas side by side (Mahy et al., 1994), thin lines apart from each other need far more."""
MIN_LINE_CONTRAST, MIN_TEXT_CONTRAST = 3.0, 4.5
"""WCAG 2.2, 1.4.11 and 1.4.3."""

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
SEEN_BY = {
    "everyone": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "deuteranopes": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "protanopes": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
}


def palette(scheme: str) -> dict[str, str]:
    """The style sheet's colours by name."""
    blocks = re.findall(r":root[^{]*\{(.*?)\}", STYLE.read_text("utf-8"), re.DOTALL)
    colors = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", blocks[0]))
    return colors if scheme == "light" else colors | dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", blocks[1]))


def linear(color: str) -> Rgb:
    """Linear RGB of an sRGB color (IEC 61966-2-1)."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _straight(red), _straight(green), _straight(blue)


def _straight(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def luminance(rgb: Rgb) -> float:
    return 0.2126729 * rgb[0] + 0.7151522 * rgb[1] + 0.0721750 * rgb[2]


def contrast(one: str, other: str) -> float:
    """As WCAG has it."""
    low, high = sorted((luminance(linear(one)), luminance(linear(other))))
    return (high + 0.05) / (low + 0.05)


def lab(color: str, viewer: str) -> Rgb:
    """CIELAB (D65) of what a viewer sees."""
    rgb = linear(color)
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True)))) for row in SEEN_BY[viewer]
    )
    x = _root((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047)
    y = _root(luminance((red, green, blue)))
    z = _root((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _root(value: float) -> float:
    return value ** (1 / 3) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116


def difference(one: str, other: str, viewer: str) -> float:
    """CIE 1976."""
    return sum((a - b) ** 2 for a, b in zip(lab(one, viewer), lab(other, viewer), strict=True)) ** 0.5


@pytest.mark.parametrize("viewer", SEEN_BY)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_one_chart_are_told_apart(scheme: str, viewer: str) -> None:
    """No two colours of one chart look alike, in either scheme, whoever looks."""
    colors = palette(scheme)
    alike = [
        (one, other, round(found, 1))
        for names in TOGETHER
        for one, other in combinations(names, 2)
        if (found := difference(colors[one], colors[other], viewer)) < MIN_DIFFERENCE
    ]
    assert alike == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_and_words_stand_out_from_the_page(scheme: str) -> None:
    """Lines and words have the contrast to the page that WCAG asks for; words also where they warn."""
    colors = palette(scheme)
    weak = [name for name in LINES if contrast(colors[name], colors["page"]) < MIN_LINE_CONTRAST]
    weak += [name for name in TEXTS if contrast(colors[name], colors["page"]) < MIN_TEXT_CONTRAST]
    weak += [name for name in ("text", "quiet") if contrast(colors[name], colors["warning"]) < MIN_TEXT_CONTRAST]
    weak += [
        name for name in colors if name.endswith("-fill") and contrast(colors[name], "#ffffff") < MIN_TEXT_CONTRAST
    ]
    assert weak == []


def test_the_simulation_is_what_it_is_said_to_be() -> None:
    """A red and a green of the same lightness, which look nothing alike, do so to deuteranopes; white stays white."""
    red, green = "#b5651d", "#7f7f00"
    assert difference(red, green, "everyone") > 2 * difference(red, green, "deuteranopes")
    assert difference("#ffffff", "#000000", "deuteranopes") == pytest.approx(100, abs=0.1)
