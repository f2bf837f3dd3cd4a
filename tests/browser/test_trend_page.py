"""The page of a trend in a real browser, without a network. Run by its path: `pytest tests/browser/test_trend_page.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browser_pages import WIDTHS_PX, Watched
from playwright.sync_api import Browser
from report_example import HOSTILE
from trend_runs import put_run, put_runs, result_of

from master.analysis.trend.trend import trend_of
from master.judge.result import Floors
from master.report.trend.page import write_page


@pytest.fixture(scope="module")
def trend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of runs of which the later ones are slower, one is INVALID, and endpoints and reasons have hostile names."""
    folder = tmp_path_factory.mktemp("trend")
    list(put_runs(folder / "runs", 20, slower_from=12))
    invalid = result_of(30, np.random.default_rng(1), verdict="INVALID", reason=f"{HOSTILE} {'x' * 200}")
    put_run(folder / "runs" / "invalid", invalid)
    made = trend_of([folder / "runs"], Floors())
    for series in made.series:
        if series.name == "/login":
            series.name = f"/{'long-' * 60}{HOSTILE}"
    write_page(made, folder / "trend.html")
    return folder / "trend.html"


@pytest.mark.parametrize("width_px", WIDTHS_PX)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_trend_opens_offline_and_fits_every_width(browser: Browser, trend: Path, width_px: int, scheme: str) -> None:
    """The page asks for nothing, complains of nothing, runs no hostile name, fits its window, and shows each change with its run."""
    watched = Watched(browser, trend, width_px, scheme)
    page = watched.page
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    assert (
        page.locator("#changed ~ .trends .change.worse").count()
        == page.locator("#changed ~ .trends figure").count()
        > 0
    )
    assert "since run-12" in page.locator("#changed ~ .trends figure").first.inner_text()
    assert "left out: it is INVALID" in page.locator("table").inner_text()
    page.close()
