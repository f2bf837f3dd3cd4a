"""How long a report takes to open, in a browser that has just started: until the last of its charts is drawn."""

from __future__ import annotations

import time
from pathlib import Path

from browser_pages import ALL_DRAWN, CHROMIUM, Watched, wait_until
from children import BenchError
from playwright.sync_api import sync_playwright

WIDTH_PX = 1280


def has_browser() -> bool:
    """Whether there is one."""
    return CHROMIUM.exists()


def open_report(path: Path) -> float:
    """Seconds from the order to open the file until all charts are drawn. Raises BenchError where none is, or the page complains."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        began_s = time.monotonic()
        watched = Watched(browser, path, WIDTH_PX)
        wait_until(watched.page, ALL_DRAWN)
        took_s = time.monotonic() - began_s
        charts = watched.page.locator(".plot").count()
        drawn = watched.page.locator(".plot:has(.main-svg)").count()
        browser.close()
    if watched.complaints:
        raise BenchError(f"the page complains: {watched.complaints[0]}")
    if not charts or drawn < charts:
        raise BenchError(f"{drawn} of {charts} charts are drawn")
    return took_s
