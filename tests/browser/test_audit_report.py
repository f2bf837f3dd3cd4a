"""The page of an audit in a real browser, without a network. Run by its path: `pytest tests/browser/test_audit_report.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from master.audit.checks.catalogue import CHECKS
from master.audit.finding import AuditResult, CheckResult, Outcome
from master.audit.formats.html import to_html

WIDTHS_PX = (390, 900, 1600)
EVIDENCE = (
    f"GET /{'x' * 400} → 200\n<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
)
REASON = "no account lists anything that another of its role does not: with --create the audit makes something"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that can be found, by a long name, with evidence that has neither an end nor manners."""
    checks = []
    for number, each in enumerate(CHECKS):
        found = tuple(rule.found(EVIDENCE) for rule in each.rules) if number % 2 else ()
        outcome = Outcome.FAILED if found else (Outcome.PASSED, Outcome.NOT_RUN, Outcome.INCOMPLETE)[number % 3]
        checks.append(CheckResult(each.id, each.title, outcome, found, 1234, 0.5, "" if found else REASON))
    target = f"https://{'a-very-long-name.' * 6}example.org:8443/api/v1"
    rules = tuple(rule for each in CHECKS for rule in each.rules)
    result = AuditResult(target, "192.0.2.1", "2026-01-01T00:00:00+00:00", 12.3, 640, tuple(checks), rules)
    file = tmp_path_factory.mktemp("audit") / "audit.html"
    file.write_bytes(to_html(result))
    return file


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(color_scheme=request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_the_page_fits_whatever_its_width(page: Page, report: Path, width_px: int) -> None:
    """Nothing is wider than the window, and nothing of the target's is run."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": width_px, "height": 900})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    assert page.title().startswith("Audit of https://a-very-long-name.")
    assert page.locator("img, script").count() == 0
    assert errors == []


def test_no_word_of_the_tables_head_is_broken(page: Page, report: Path) -> None:
    """Where the table is shown as one, its head is one line high."""
    page.set_viewport_size({"width": 900, "height": 900})
    page.goto(report.as_uri())
    heights_px = page.locator("th").evaluate_all("heads => heads.map(head => head.clientHeight)")
    assert (
        max(heights_px)
        < 1.5 * page.locator("td").first.evaluate("cell => parseFloat(getComputedStyle(cell).lineHeight)") + 12
    )


def test_the_figures_come_first(page: Page, report: Path) -> None:
    """The pass rate and the number of findings of each severity stand above the findings, the worst of which is the first."""
    page.goto(report.as_uri())
    labels = page.locator("dt").all_inner_texts()
    assert labels == ["Checks passed", "Checks ended", "critical", "high", "medium", "low", "info"]
    rate, ended, *counts = page.locator("dd").all_inner_texts()
    assert (rate, ended) == ("27 %", "11 of 17")
    assert sum(map(int, counts)) == page.locator("article").count() > 0
    severities = page.locator(".severity").all_text_contents()
    assert severities == sorted(severities, key=labels.index)
