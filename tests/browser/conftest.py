"""One browser for all tests of this folder, and reports of runs of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import open_run
import pytest
from browser_pages import CHROMIUM
from compared_runs import stored_run
from hostile_report import fill_hostile, hostile_result
from judged_run import SECONDS, fit_log, run_facts
from playwright.sync_api import Browser, sync_playwright
from report_example import HOSTILE, SCENARIO_YAML, fill, fill_hot, nothing, result

from master.analysis.compare.files import compare_runs
from master.judge.outcome import conclude
from master.judge.result import ClockOffset, Floors, Gap
from master.judge.run_facts import CacheCounts
from master.report.html import write_report
from master.store import Store


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. No longer than for a file: while it is there an event loop runs, and no other test can have one."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs Chromium at {CHROMIUM}: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports by name: a run that is INVALID, one that never began, one in which nodes were throttled, one of the open model, one
    that is worse than its baseline, one whose every text is hostile."""
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
    _compared(directory)
    store = Store(directory / "hostile.db", create=True)
    fill_hostile(store)
    write_report(hostile_result(), store, HOSTILE, directory / "hostile.html")
    store.close()
    return {name: directory / f"{name}.html" for name in ("invalid", "aborted", "hot", "open", "compared", "hostile")}


def _compared(directory: Path) -> None:
    """A run that is slower than its baseline."""
    before = stored_run(directory / "before")
    slower = stored_run(directory / "slower", seed=2, slower=1.15, failing=0.03)
    comparison = compare_runs(before, slower, Floors())
    store = Store(slower / "run.db")
    worse = msgspec.structs.replace(result("FAIL"), comparison=comparison)
    write_report(worse, store, SCENARIO_YAML, directory / "compared.html")
    store.close()
