"""How report.html is laid out and used: on a phone and a desk, by keyboard and screen reader, on paper, without scripts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from browser_pages import ALL_DRAWN, WIDTHS_PX, Watched, wait_until
from playwright.sync_api import Browser

QUESTIONS = (
    "Key figures",
    "Were the machines fit to measure?",
    "Did the target keep its promises?",
    "What happened when?",
    "Which endpoint?",
    "Which node?",
    "Scenario",
)
CUT_TABLES = """
[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).map(one => one.ariaLabel)
"""
BESIDE_THE_PAGE = """
[...document.querySelectorAll('main *')].filter((one) => !one.closest('svg') && !one.closest('thead') && !one.closest('pre')
  && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 80))
"""


@pytest.mark.parametrize("name", ["invalid", "aborted", "hot", "open", "compared", "hostile"])
def test_it_opens_offline_and_fits_at_every_width(browser: Browser, reports: dict[str, Path], name: str) -> None:
    """No width has the page or a table run off it; nothing is requested or complained of, and no hostile name does anything."""
    watched = Watched(browser, reports[name], WIDTHS_PX[0], "dark")
    page = watched.page
    for width_px in WIDTHS_PX:
        page.set_viewport_size({"width": width_px, "height": 900})
        wait_until(page, f"innerWidth === {width_px}")
        wait_until(page, ALL_DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width_px
        assert page.evaluate(CUT_TABLES) == [], width_px
        assert page.evaluate(BESIDE_THE_PAGE) == [], width_px
        page.emulate_media(color_scheme="light")
    assert watched.complaints == []
    assert page.locator("img").count() == 0
    assert [url for url in watched.requests if not url.startswith(("file:", "data:"))] == []
    page.close()


def test_it_answers_in_the_order_of_a_readers_questions(browser: Browser, reports: dict[str, Path]) -> None:
    """The verdict comes first, then the questions, and the links at the top lead to them."""
    watched = Watched(browser, reports["invalid"], 1440)
    page = watched.page
    assert page.locator("h1, h2").evaluate_all("all => all.map(one => one.firstChild.textContent.trim())") == [
        "example",
        *QUESTIONS,
    ]
    assert page.locator(".verdict").evaluate("one => one.compareDocumentPosition(document.querySelector('h2'))") == 4
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for link in page.get_by_role("navigation").get_by_role("link").all():
        link.click()
        assert page.evaluate("document.querySelector(location.hash).getBoundingClientRect().top") < 900
    assert watched.complaints == []
    page.close()


@pytest.mark.parametrize("width_px", [390, 1440])
def test_tables_are_sorted_by_keyboard(browser: Browser, reports: dict[str, Path], width_px: int) -> None:
    """A heading's button sorts, largest first, then the other way, and says so; unknown values are below all numbers.

    On a phone, where rows are cards, a screen reader still finds a table with its headings.
    """
    watched = Watched(browser, reports["invalid"], width_px)
    page = watched.page
    table = page.get_by_role("region", name="Endpoints").get_by_role("table")
    heading = table.get_by_role("columnheader", name="p50")
    p50 = "rows => rows.map(row => row.cells[5].textContent)"
    assert table.get_by_role("row").count() == 4
    heading.get_by_role("button").focus()
    for values, order, said in (
        (["40.0", "2.00", "–"], "descending", "Sorted by p50, largest first"),
        (["–", "2.00", "40.0"], "ascending", "Sorted by p50, smallest first"),
    ):
        page.keyboard.press("Enter")
        assert table.locator("tbody tr").evaluate_all(p50) == values
        assert heading.get_attribute("aria-sort") == order
        assert page.get_by_role("status").text_content() == said
    by_name = table.get_by_role("columnheader", name="name")
    by_name.get_by_role("button").press("Space")
    assert (heading.get_attribute("aria-sort"), by_name.get_attribute("aria-sort")) == (None, "ascending")
    assert watched.complaints == []
    page.close()


def test_a_long_table_is_cut_and_sorted_as_a_whole(browser: Browser, reports: dict[str, Path]) -> None:
    """Of 120 nodes the first are shown; a sort brings others to the top, and a button shows all of them."""
    watched = Watched(browser, reports["invalid"], 1440)
    page = watched.page
    region = page.get_by_role("region", name="Nodes", exact=True)
    rows = region.locator("tbody tr")
    assert rows.count() == 120
    assert region.locator("tbody tr:visible").count() == 25
    assert rows.first.locator("th").text_content() == "pi1"  # it alone was unfit
    region.get_by_role("button", name="CPU").click()
    assert rows.first.locator("th").text_content() == "pi120"
    page.get_by_role("button", name="Show all 120 nodes").click()
    assert region.locator("tbody tr:visible").count() == 120
    page.get_by_role("button", name="Show fewer").click()
    page.set_viewport_size({"width": 390, "height": 900})
    assert region.locator("tbody tr:visible").count() == 10
    assert watched.complaints == []
    page.close()


def test_what_is_broken_has_what_to_do_beside_it(browser: Browser, reports: dict[str, Path]) -> None:
    """A broken check stands first among the checks, with what was seen and what to do; what holds has no advice."""
    watched = Watched(browser, reports["open"], 1440)
    rows = watched.page.get_by_role("region", name="Validity").locator("tbody tr")
    first = rows.first.inner_text()
    assert first.startswith("arrivals")
    assert "✗ not fit" in first
    assert "What to do: The nodes did not start requests when they were due." in first
    assert rows.locator(".advice").count() == 1
    watched.page.close()


def test_both_distributions_are_drawn_beside_each_other(browser: Browser, reports: dict[str, Path]) -> None:
    """Each endpoint shown has a solid line of this run and a dashed one of the baseline, and another can be taken in its place."""
    watched = Watched(browser, reports["compared"], 1440)
    page = watched.page
    lines = "document.getElementById('compared').data.map(line => [line.name, line.line.dash || 'solid'])"
    names = ["all requests", "POST /login", "GET /items"]
    assert page.evaluate(lines) == [[name, dash] for dash in ("solid", "dash") for name in names]
    assert page.locator("#compared .scatterlayer path.js-line").count() == 6
    page.locator("#compared-keys").get_by_role("button", name="take GET /items out").click()
    assert len(page.evaluate(lines)) == 4
    assert watched.complaints == []
    page.close()


def test_lines_are_told_apart_without_colours(browser: Browser, reports: dict[str, Path]) -> None:
    """Each line that a reader chooses has a symbol of its own, on the line and beside its name."""
    watched = Watched(browser, reports["hot"], 1440)
    page = watched.page
    for name in ("pi3", "pi4"):
        page.get_by_label("Add a node").select_option(name)
    shown = page.locator("#together-keys .symbol").all_text_contents()
    assert len(set(shown)) == len(shown) == 6
    marked = "document.getElementById('together').data.map(line => line.marker?.symbol).filter(Boolean)"
    assert len(set(page.evaluate(marked))) == 6
    assert watched.complaints == []
    page.close()


def test_paper_shows_everything(browser: Browser, reports: dict[str, Path]) -> None:
    """Printed from a dark screen, the page is light, has what was folded, and none of the buttons."""
    watched = Watched(browser, reports["hot"], 1440, "dark")
    page = watched.page
    folded = page.locator("details").count()
    assert folded
    assert page.locator("details[open]").count() < folded
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("details[open]").count() == folded
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".toggle:visible, .screen:visible").count() == 0
    assert len(page.pdf(format="A4")) > 50_000
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() < folded
    page.close()


def test_without_scripts_every_table_is_there(browser: Browser, reports: dict[str, Path]) -> None:
    """Where scripts are off, the page says what is missing, and no row is cut."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 900})
    page = context.new_page()
    page.goto(reports["invalid"].as_uri())
    assert page.get_by_role("region", name="Nodes", exact=True).locator("tbody tr:visible").count() == 120
    assert page.locator("noscript").text_content() == (
        "Without JavaScript there are no charts and no sorting; every figure is in the tables and sentences above."
    )
    context.close()
