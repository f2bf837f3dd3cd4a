"""Pages in the system's Chromium, and what tests do with them."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page
from playwright.sync_api import TimeoutError as NotInTimeError

CHROMIUM = Path("/usr/bin/chromium")
LIMIT_S = 60.0
WIDTHS_PX = (390, 820, 1440)
"""A phone, a tablet, a desk."""
ALL_DRAWN = "document.documentElement.dataset.charts === 'drawn' || !document.querySelector('.plot')"


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
