"""What pages that are open cost a run: CPU of the master with ten of them and with none, in turns of the same run; and the first paint."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share
sys.path.append(str(Path(__file__).parents[2]))  # where the tests keep what they share
sys.path.append(str(Path(__file__).parents[2] / "integration"))

import psutil
from browser_pages import CHROMIUM
from children import BenchError
from command import OUT, carry_out, open_console, whole_number
from playwright.sync_api import Browser, sync_playwright
from rich.table import Table
from served import PISWARM, Served

ROOT = Path(__file__).parents[3]
SCENARIO = ROOT / "configs" / "scenarios" / "swarm.yml"
SETTLE_S, TURN_S = 4.0, 10.0
MAX_RATIO = 1.05
MAX_PAINT_MS = 1000.0
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python tests/bench/live", description=__doc__)
    parser.add_argument("--nodes", type=whole_number, default=500, help="simulated nodes (default: %(default)s)")
    parser.add_argument("--users", type=whole_number, default=1000, help="users (default: %(default)s)")
    parser.add_argument("--pages", type=whole_number, default=10, help="open pages (default: %(default)s)")
    parser.add_argument("--rounds", type=whole_number, default=3, help="turns with and without (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=OUT / "live.json", help="the document (default: %(default)s)")
    options = parser.parse_args(arguments)
    return carry_out(lambda: _bench(options), options.out)


def _bench(options: argparse.Namespace) -> int:
    if not CHROMIUM.exists():
        raise BenchError(f"needs Chromium at {CHROMIUM}: apt install chromium")
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="piswarm-bench-")))
        served = closing.enter_context(Served(folder))
        playwright = closing.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        closing.callback(browser.close)
        load_s = int(2 * options.rounds * (SETTLE_S + TURN_S) + 30)
        words = ["--local", str(options.nodes), "--users", str(options.users), "--duration", f"{load_s}s"]
        run = subprocess.Popen(
            [*PISWARM, "run", str(SCENARIO), *words, "--out", str(folder / "runs" / "run")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        closing.callback(run.wait)
        closing.callback(run.terminate)
        _wait_for_hold(served, run)
        return _measure(options, psutil.Process(run.pid), served, browser)


def _wait_for_hold(served: Served, run: subprocess.Popen[bytes]) -> None:
    while run.poll() is None:
        shown = served.ask("GET", "/api/runs/run")
        if shown.status == 200 and str(shown.json["state"]["stage"]).endswith("hold"):
            return
        time.sleep(0.5)
    raise BenchError("the run ended before its hold")


def _measure(options: argparse.Namespace, master: psutil.Process, served: Served, browser: Browser) -> int:
    found: dict[int, list[float]] = {0: [], options.pages: []}
    paints: list[float] = []
    for _ in range(options.rounds):
        for pages, measured in found.items():
            opened = [browser.new_page() for _ in range(pages)]
            for page in opened:
                page.goto(f"{served.url}/runs/run")
                page.locator("canvas").first.wait_for()
                paints.append(page.evaluate(FIRST_PAINT))
            time.sleep(SETTLE_S)
            measured.append(_busy_percent(master))
            for page in opened:
                page.close()
    without, with_pages = (statistics.median(values) for values in found.values())
    ratio, paint_ms = with_pages / without, statistics.median(paints)
    table = Table("", "limit", "measured", "", box=None, pad_edge=False)
    table.add_row("master, no page", "", f"{without:.1f} % of a core", "")
    table.add_row(f"master, {options.pages} pages", "", f"{with_pages:.1f} % of a core", "")
    table.add_row("ratio", f"≤ {MAX_RATIO}", f"{ratio:.3f}", "ok" if ratio <= MAX_RATIO else "FAIL")
    table.add_row(
        "first paint", f"< {MAX_PAINT_MS:g} ms", f"{paint_ms:.0f} ms", "ok" if paint_ms < MAX_PAINT_MS else "FAIL"
    )
    console = open_console()
    console.print(table)
    facts: dict[str, Any] = {
        "schema": "piswarm/bench/live/1", "nodes": options.nodes, "users": options.users,
        "master_percent": {str(pages): values for pages, values in found.items()}, "first_paint_ms": paints,
    }  # fmt: skip
    options.out.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    console.print(f"written to {options.out}", soft_wrap=True)
    return 0 if ratio <= MAX_RATIO and paint_ms < MAX_PAINT_MS else 1


def _busy_percent(process: psutil.Process) -> float:
    """CPU of a process in percent of one core over TURN_S."""
    before, began_s = process.cpu_times(), time.monotonic()
    time.sleep(TURN_S)
    after, passed_s = process.cpu_times(), time.monotonic() - began_s
    return 100 * (after.user + after.system - before.user - before.system) / passed_s


if __name__ == "__main__":
    sys.exit(main())
