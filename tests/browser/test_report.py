"""The charts of report.html in a real browser, without a network. Run by its path: `pytest tests/browser/test_report.py`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from browser_pages import WIDTHS_PX, Watched, point_at, wait_until
from playwright.sync_api import Browser, Page

CHARTS = ("rate", "latency", "users", "lag", "nodes", "controller", "temperature", "cpu")
OPEN_CHARTS = ("arrivals", "lateness", "latency", "service-time", "target")
NODE_CHARTS = ("together", "temperature", "clock", "node-users", "cpu")


def test_the_charts_of_arrivals_are_drawn_and_one_button_makes_both_latencies_logarithmic(
    browser: Browser, reports: dict[str, Path]
) -> None:
    watched = Watched(browser, reports["open"], 1280)
    page = watched.page
    for name in OPEN_CHARTS:
        assert page.locator(f"#{name} .scatterlayer path.js-line").count() > 0, name
    page.locator("[data-log]").click()
    for name in ("latency", "service-time"):
        wait_until(page, f"document.getElementById('{name}').layout.yaxis.type === 'log'")
    assert watched.complaints == []
    page.close()


def test_every_chart_is_drawn(browser: Browser, reports: dict[str, Path]) -> None:
    """Each chart has its lines or its map, a title, a summary, and labels that don't meet."""
    watched = Watched(browser, reports["invalid"], 1280)
    page = watched.page
    for name in CHARTS:
        chart = page.locator(f"#{name}")
        assert chart.locator("svg.main-svg").count() > 0, name
        assert chart.locator(".scatterlayer path.js-line, .heatmaplayer image").count() > 0, name
        for reference in ("aria-labelledby", "aria-describedby"):
            assert page.locator(f"#{chart.get_attribute(reference)}").inner_text()
    boxes = [label.bounding_box() for label in page.locator("#temperature .ytick text").all()]
    edges = sorted((box["y"], box["y"] + box["height"]) for box in boxes if box)
    assert len(edges) > 10
    assert all(above[1] <= below[0] + 1 for above, below in pairwise(edges))
    page.close()


def test_latencies_by_percentile_errors_and_events_are_drawn(browser: Browser, reports: dict[str, Path]) -> None:
    """Endpoints can be chosen and taken out, a point tells its percentile, an error's kind has an area, and a mark tells its event."""
    watched = Watched(browser, reports["invalid"], 1280)
    page = watched.page
    drawn = "document.getElementById('distribution').data.map(trace => trace.name)"
    assert page.evaluate(f"{drawn}[0]") == "all endpoints"
    assert page.locator("#distribution .scatterlayer path.js-line").count() == 3
    page.get_by_role("button", name="take GET /a out").click()
    assert "GET /a" not in page.evaluate(drawn)
    page.get_by_label("Add an endpoint").select_option("GET /a")
    assert page.evaluate(f"{drawn}.at(-1)") == "GET /a"
    assert page.locator("#errors-over-time .scatterlayer path.js-fill").count() == 1
    page.locator("#distribution").scroll_into_view_if_needed()
    box = page.locator("#distribution").bounding_box()
    assert box
    told = point_at(page, box["x"] + 66, box["y"] + 100).inner_text()
    assert told.startswith("p50\n")
    assert "GET /a\n1.99 ms" in told
    mark = page.locator("#events-over-time .scatterlayer path.point")
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box
    told = point_at(page, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2).inner_text()
    assert told.startswith("lost\n")
    assert "0:20\npi2 " in told
    assert watched.complaints == []
    page.close()


def test_pointing_at_a_chart_shows_its_values(browser: Browser, reports: dict[str, Path]) -> None:
    """The tooltip of a chart has the time, the stage and every line's value; a zoom in one chart is a zoom in all."""
    watched = Watched(browser, reports["invalid"], 1280)
    page = watched.page
    page.locator("#latency").scroll_into_view_if_needed()
    box = page.locator("#latency").bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2
    tooltip = point_at(page, middle, box["y"] + 60)
    assert "stage 1 hold" in tooltip.inner_text()
    assert "p99\n" in tooltip.inner_text()
    page.mouse.down()
    page.mouse.move(middle + 200, box["y"] + 60, steps=5)
    page.mouse.up()
    wait_until(page, "document.getElementById('cpu').layout.xaxis.range[0] > 20")
    page.mouse.dblclick(middle, box["y"] + 60)
    wait_until(page, "document.getElementById('cpu').layout.xaxis.range[0] === 0")
    assert watched.complaints == []
    page.close()


def test_pointing_at_the_same_moment_after_a_scroll_shows_its_values_again(
    browser: Browser, reports: dict[str, Path]
) -> None:
    """A scroll hides a chart's tooltip, and pointing at the same moment again shows it."""
    watched = Watched(browser, reports["invalid"], 1280)
    page = watched.page
    page.locator("#latency").scroll_into_view_if_needed()
    box = page.locator("#latency").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + 60
    tooltip = point_at(page, x, y)
    text = tooltip.inner_text()
    page.evaluate("dispatchEvent(new Event('scroll'))")
    tooltip.wait_for(state="hidden")
    page.mouse.move(x, y + 1)
    tooltip.wait_for(state="visible")
    assert tooltip.inner_text() == text
    assert watched.complaints == []
    page.close()


def labels(page: Page, chart: str) -> list[str]:
    return page.eval_on_selector_all(f"#{chart} .annotation-text", "labels => labels.map(label => label.textContent)")


def test_a_time_without_a_controller_is_labelled_where_there_is_room(
    browser: Browser, reports: dict[str, Path]
) -> None:
    """A time without a controller is labelled in every chart where its gap has room, and its tooltip says so in place
    of a stage.
    """
    watched = Watched(browser, reports["invalid"], 1280)
    page = watched.page
    assert {name: labels(page, name) for name in CHARTS} == {name: ["no controller"] for name in CHARTS}
    page.locator("#latency").scroll_into_view_if_needed()
    gap = page.locator("#latency .shapelayer path").last.bounding_box()
    assert gap
    x, y = gap["x"] + gap["width"] / 2, gap["y"] + 60
    tooltip = point_at(page, x, y)
    assert "no controller" in tooltip.inner_text()
    page.evaluate("Plotly.relayout('rate', {'xaxis.range': [20, 25]})")
    wait_until(page, "document.getElementById('cpu').layout.xaxis.range[0] === 20")
    assert labels(page, "cpu") == ["no controller"]
    page.evaluate("Plotly.relayout('rate', {'xaxis.range': [0, 20]})")
    wait_until(page, "document.getElementById('cpu').layout.xaxis.range[0] === 0")
    assert labels(page, "cpu") == []
    assert watched.complaints == []
    page.close()


@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_a_label_stays_within_its_gap(browser: Browser, reports: dict[str, Path], width_px: int) -> None:
    """The label of a gap stays within it in windows of any width, upright if need be."""
    watched = Watched(browser, reports["invalid"], width_px)
    page = watched.page
    for name in ("rate", "users", "controller"):
        gap = page.locator(f"#{name} .shapelayer path").last.bounding_box()
        label = page.locator(f"#{name} .annotation-text").bounding_box()
        assert gap
        assert label
        assert gap["x"] <= label["x"]
        assert label["x"] + label["width"] <= gap["x"] + gap["width"]
        assert gap["y"] <= label["y"]
        assert label["y"] + label["height"] <= gap["y"] + gap["height"]
    page.close()


def test_the_logarithmic_scale_can_be_had(browser: Browser, reports: dict[str, Path]) -> None:
    """The latency chart switches its scale and says so."""
    watched = Watched(browser, reports["invalid"], 768)
    button = watched.page.get_by_role("button", name="logarithmic")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert watched.page.evaluate("document.getElementById('latency').layout.yaxis.type") == "log"
    watched.page.close()


def test_charts_follow_the_colour_scheme(browser: Browser, reports: dict[str, Path]) -> None:
    """A reader's change between light and dark reaches the lines of the charts."""
    watched = Watched(browser, reports["invalid"], 1280, "dark")
    color = "document.getElementById('users').data[0].line.color"
    dark = watched.page.evaluate(color)
    watched.page.emulate_media(color_scheme="light")
    wait_until(watched.page, f"{color} !== {dark!r}")
    assert watched.complaints == []
    watched.page.close()


def test_heat_clock_and_users_are_drawn_together(browser: Browser, reports: dict[str, Path]) -> None:
    """Each node has a line in each panel and a lane below on one axis of time, and each panel has a map of all nodes."""
    watched = Watched(browser, reports["hot"], 1280)
    page = watched.page
    for name in NODE_CHARTS:
        assert page.locator(f"#{name} svg.main-svg").count() > 0, name
        assert page.locator(f"#{name} .scatterlayer path.js-line, #{name} .heatmaplayer image").count() > 0, name
    shown = page.evaluate("document.getElementById('together').layout.yaxis4.ticktext")
    assert shown == ["pi1", "pi5", "pi2", "pi13"]
    assert page.locator("#together .scatterlayer path.js-line").count() == 3 * len(shown)
    assert [text.split(",")[0] for text in labels(page, "together")] == ["temperature", "clock", "users", "throttling"]
    lanes = "document.getElementById('together').data.at(-1).z"
    assert page.evaluate(f"{lanes}[0].slice(78, 82)") == [0, 0, 2, 2]
    assert page.evaluate(f"{lanes}[1].slice(178, 182)") == [None, None, 1, 1]
    assert page.evaluate(f"{lanes}[2].slice(98, 102)") == [0, 0, 3, 3]
    assert watched.complaints == []
    page.close()


def test_other_nodes_can_be_chosen(browser: Browser, reports: dict[str, Path]) -> None:
    """Up to six nodes of the fleet can be chosen offline, and a gap in a node's data is a gap in its line."""
    watched = Watched(browser, reports["hot"], 1280)
    page = watched.page
    add = page.get_by_label("Add a node")
    for name in ("pi4", "pi3"):
        add.select_option(name)
    assert add.is_disabled()
    names = "document.getElementById('together').layout.yaxis4.ticktext"
    assert page.evaluate(names) == ["pi1", "pi5", "pi2", "pi13", "pi4", "pi3"]
    line = "document.getElementById('together').data.filter(trace => trace.name === 'pi4').map(trace => trace.y[125])"
    assert page.evaluate(line) == [None, None, None]
    page.get_by_role("button", name="take pi5 out").click()
    assert page.evaluate(names) == ["pi1", "pi2", "pi13", "pi4", "pi3"]
    assert add.is_enabled()
    for _ in range(4):
        page.get_by_role("button", name="take ").first.click()
    assert page.evaluate(names) == ["pi3"]
    assert page.get_by_role("button", name="take ").count() == 0
    assert watched.complaints == []
    page.close()


def test_pointing_at_nodes_tells_heat_clock_users_and_conditions(browser: Browser, reports: dict[str, Path]) -> None:
    """The tooltip has each shown node's values and conditions at that moment, and says which are not known."""
    watched = Watched(browser, reports["hot"], 1280)
    page = watched.page
    page.get_by_label("Add a node").select_option("pi3")
    page.locator("#together").scroll_into_view_if_needed()
    inside = page.locator("#together .draglayer .xy .drag").first.bounding_box()
    assert inside
    x, y = inside["x"] + inside["width"] / 2, inside["y"] + inside["height"] / 2
    tooltip = point_at(page, x, y)
    text = tooltip.inner_text().replace("\n", " ")
    assert "pi1 84 °C · 40 % (0.72 GHz) · 2 users throttled" in text
    assert "pi5 61 °C · 100 % (1 GHz) · 4 users not known: under-voltage" in text
    assert "pi13 62 °C · 100 % (1.8 GHz) · 4 users no throttling flag" in text
    assert "clock not known · 4 users throttling not known" in text
    assert watched.complaints == []
    page.close()
