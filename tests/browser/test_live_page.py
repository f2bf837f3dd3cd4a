"""The live page in a real browser: a run is started and watched to its verdict, without an error, at three widths and by keyboard.

PISWARM_LIVE_NODES and PISWARM_LIVE_DURATION make it a larger fleet and a longer run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from served import Served

ROOT = Path(__file__).parents[2]
NODES = int(os.environ.get("PISWARM_LIVE_NODES", "12"))
DURATION = os.environ.get("PISWARM_LIVE_DURATION", "15s")
WIDTHS = (390, 820, 1440)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(
        tmp_path_factory.mktemp("live"), "--scenarios", str(ROOT / "configs" / "scenarios"), "--control"
    ) as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which any error of the console fails the test."""
    page, errors = browser.new_page(viewport={"width": 1440, "height": 900}), list[str]()
    page.on("console", lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


@pytest.fixture(scope="module")
def run(browser: Browser, served: Served) -> str:
    """The path of a run that was started by the page's form, and has been watched to its verdict."""
    page, errors = browser.new_page(), list[str]()
    page.on("console", lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{served.url}/start")
    page.get_by_label("Scenario").select_option("swarm.yml")
    page.get_by_label("Users", exact=True).fill(str(2 * NODES))
    page.get_by_label("Simulated nodes").fill(str(NODES))
    page.get_by_label("Duration").fill(DURATION)
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/runs/**", timeout=120_000)
    page.get_by_text("so far").wait_for(timeout=120_000)
    chart = page.get_by_role("img", name="Requests")
    before = chart.get_attribute("aria-label")
    page.wait_for_function(
        "before => document.querySelector('canvas').getAttribute('aria-label') !== before", arg=before, timeout=20_000
    )
    page.wait_for_function(
        "() => !document.querySelector('main').innerText.includes('so far') && document.querySelector('main .word')",
        timeout=180_000,
    )
    assert page.locator("main .word").first.inner_text() in {"PASS", "FAIL", "INVALID"}
    path = page.url.removeprefix(served.url)
    page.close()
    assert errors == []
    return path


def test_a_run_is_watched_from_its_start_to_its_verdict(served: Served, run: str, page: Page) -> None:
    """The figures of the page at the end are those of the result."""
    shown = served.ask("GET", f"/api{run}").json
    page.goto(served.url + run)
    page.get_by_text(shown["result"]["reason"]).first.wait_for()
    assert page.locator("main .word").first.inner_text() == shown["result"]["verdict"]


def test_the_first_paint_is_soon(served: Served, run: str, page: Page) -> None:
    """Something is painted before anything heavy could be: the page loads no library."""
    page.goto(served.url + run)
    page.locator("canvas").first.wait_for()
    bytes_loaded = page.evaluate(
        "performance.getEntriesByType('resource').reduce((all, each) => all + each.decodedBodySize, 0)"
    )
    assert bytes_loaded < 300_000


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("view", ["", "/fleet", "/nodes/sim001"])
def test_nothing_runs_off_the_page(served: Served, run: str, page: Page, width: int, view: str) -> None:
    """On a phone, a tablet and a desk each view fits into the width."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(served.url + run + view)
    page.locator("canvas, .cell").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_fleet_has_every_node_and_can_be_filtered_and_sorted_by_keyboard(
    served: Served, run: str, page: Page
) -> None:
    """Each node is a cell with its figures as text, and a row; a heading is a button that sorts."""
    page.goto(f"{served.url}{run}/fleet")
    page.locator(".cell").first.wait_for()
    assert page.locator(".cell").count() == NODES
    assert "temperature" in (page.locator(".cell").first.get_attribute("aria-label") or "")
    page.get_by_role("columnheader", name="node").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert page.locator("tbody tr").first.inner_text().startswith("sim001")
    page.get_by_placeholder("name, rack or state").fill("sim003")
    assert page.locator(".cell").count() == 1
    page.locator(".cell").press("Enter")
    page.wait_for_url("**/nodes/sim003")


def test_a_chart_is_read_by_keyboard(served: Served, run: str, page: Page) -> None:
    """The arrow keys go along the line, and the caption says the values there."""
    page.goto(served.url + run)
    chart = page.get_by_role("img", name="Users")
    chart.focus()
    page.keyboard.press("Home")
    assert "at 0:00" in page.locator("figure", has=chart).inner_text()


def test_a_fault_is_told_beside_the_form(served: Served, run: str, page: Page) -> None:  # noqa: ARG001  # one run at a time
    """What the command would say is on the page, and nothing is started."""
    page.goto(f"{served.url}/start")
    page.get_by_label("Duration").fill("2s")
    page.get_by_role("button", name="Check").click()
    page.get_by_text("the ramps alone take").wait_for(timeout=60_000)


def test_foreign_text_is_text(served: Served, run: str, page: Page) -> None:
    """Names with markup in an answer are shown as they are, and make no element."""
    odd = "<img src=x onerror=document.title='broken'>"
    shown = served.ask("GET", f"/api{run}").json
    shown["events"] = [{"offset_s": 1.0, "kind": odd, "node": odd, "detail": odd}]
    shown["result"]["reason"] = odd
    page.route(f"**/api{run}", lambda route: route.fulfill(json=shown))
    page.goto(served.url + run)
    page.get_by_text(odd).first.wait_for()
    assert page.locator("main img[src]").count() == 0
    assert page.title() != "broken"
