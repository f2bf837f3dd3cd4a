"""report.html in a real browser, without a network. Run by its path: `pytest tests/browser/test_report.py`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import open_run
import pytest
from judged_run import SECONDS, fit_log, run_facts
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as NotInTimeError
from report_example import SCENARIO_YAML, fill, fill_hot, nothing, result

from master.judge.outcome import conclude
from master.judge.result import ClockOffset, Gap
from master.judge.run_facts import CacheCounts
from master.report.html import write_report
from master.store import Store

CHROMIUM = Path("/usr/bin/chromium")
LIMIT_S = 60.0
WIDTHS_PX = (1280, 768, 390)
CHARTS = ("rate", "latency", "users", "lag", "nodes", "controller", "temperature", "cpu")
OPEN_CHARTS = ("arrivals", "lateness", "latency", "service-time", "target")
NODE_CHARTS = ("together", "temperature", "clock", "node-users", "cpu")
ALL_DRAWN = "document.documentElement.dataset.charts === 'drawn' || !document.querySelector('.plot')"

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs Chromium at {CHROMIUM}: apt install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("reports")
    store = Store(directory / "run.db", create=True)
    write_report(nothing(), store, SCENARIO_YAML, directory / "aborted.html")
    fill(store, nodes=120, seconds=60)
    invalid = msgspec.structs.replace(
        result("INVALID"),
        gaps=[Gap(from_s=22.0, to_s=22.5), Gap(from_s=40.0, to_s=52.5)],
        clocks_off=[ClockOffset(node=f"pi{number}", offset_s=3600.0) for number in range(1, 100)],
    )
    write_report(invalid, store, SCENARIO_YAML, directory / "invalid.html")
    store.close()
    store = Store(directory / "hot.db", create=True)
    fill_hot(store, nodes=40, seconds=200)
    write_report(result(), store, SCENARIO_YAML, directory / "hot.html")
    store.close()
    store = Store(directory / "open.db", create=True)
    open_run.fill(store, open_run.arrivals(93, missed=4, late=2, given_up=1))
    facts = run_facts(offered=open_run.RATE * SECONDS, start_skew_s=0.002, cache=CacheCounts(90, 10))
    offered = conclude(open_run.scenario("service p95 < 1 s"), store, fit_log(), facts)
    write_report(offered, store, SCENARIO_YAML, directory / "open.html")
    store.close()
    return {name: directory / f"{name}.html" for name in ("invalid", "aborted", "hot", "open")}


def wait_until(page: Page, expression: str) -> None:
    """Wait until the expression is true. Asked from outside: Playwright's own waiting needs the eval that the report's policy forbids."""
    deadline_s = time.monotonic() + 30
    while not page.evaluate(expression):
        assert time.monotonic() < deadline_s, expression
        page.wait_for_timeout(20)


def point_at(page: Page, x: float, y: float) -> Locator:
    """Return the tooltip at a point; the mouse is moved again while a scroll, which hides tooltips, is still reported late."""
    tooltip = page.locator("#tooltip")
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        page.mouse.move(x - 5, y)
        page.mouse.move(x, y)
        try:
            tooltip.wait_for(state="visible", timeout=2000)
        except NotInTimeError:
            assert time.monotonic() < deadline_s, "pointing at a chart shows nothing"
        else:
            return tooltip


class Watched:
    """A page, with everything that it complained of or requested from the network."""

    def __init__(self, browser: Browser, path: Path, width_px: int, scheme: str = "light") -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        dark = "dark" if scheme == "dark" else "light"
        self.page: Page = browser.new_page(viewport={"width": width_px, "height": 900}, color_scheme=dark, offline=True)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.send_quit())[1])
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        wait_until(self.page, ALL_DRAWN)


@pytest.mark.parametrize("name", ["invalid", "aborted", "hot", "open"])
@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_it_opens_offline_at_every_width(browser: Browser, reports: dict[str, Path], name: str, width_px: int) -> None:
    """The report opens offline at any width without requests and complaints, runs no hostile name, and fits its window."""
    watched = Watched(browser, reports[name], width_px)
    page = watched.page
    page.wait_for_load_state("networkidle")
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    cut = "[...document.querySelectorAll('.stacked')].filter(one => one.parentElement.scrollWidth > one.parentElement.clientWidth)"
    assert page.evaluate(f"{cut}.length") == 0, "errors and exceptions are to be read without scrolling sideways"
    page.close()


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


def test_a_click_sorts_the_endpoints(browser: Browser, reports: dict[str, Path]) -> None:
    """A click sorts endpoints by number, largest first, a second one the other way; unknown values are below all numbers."""
    watched = Watched(browser, reports["invalid"], 1280)
    page = watched.page
    table = page.get_by_role("region", name="Endpoints")
    heading = table.locator("th").nth(5)
    p50 = "rows => rows.map(row => row.cells[5].textContent)"
    heading.get_by_role("button").click()
    assert table.locator("tbody tr").evaluate_all(p50) == ["40.0", "2.00", "–"]
    assert heading.get_attribute("aria-sort") == "descending"
    heading.get_by_role("button").click()
    assert table.locator("tbody tr").evaluate_all(p50) == ["–", "2.00", "40.0"]
    assert heading.get_attribute("aria-sort") == "ascending"
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
