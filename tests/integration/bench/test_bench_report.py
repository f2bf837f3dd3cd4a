"""`make bench-report` for real, but of a short run: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benches import Bench
from browser_pages import CHROMIUM
from report_example import SCENARIO_YAML, fill, result

from master.run.directory import RunDirectory
from master.store import Store

BENCH = Bench("report")


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs Chromium at {CHROMIUM}: apt install chromium")
def test_a_report_is_made_opened_and_measured(tmp_path: Path) -> None:
    """The document has the size of the report that is left behind, and a line of the table says whether each limit holds."""
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    store = Store(directory.database, create=True)
    fill(store)
    store.close()
    result().write(directory.result)
    directory.scenario.write_text(SCENARIO_YAML, encoding="utf-8")
    kept, out = tmp_path / "kept.html", tmp_path / "report.json"
    done = BENCH.run("--run", str(directory.path), "--rounds", "2", "--keep", str(kept), "--out", str(out))
    found = json.loads(out.read_text())
    assert found["schema"] == "piswarm/bench/report/1"
    assert (found["run"]["nodes"], found["run"]["endpoints"]) == (3, 3)
    assert found["measured"]["report_mb"]["rounds"] == [kept.stat().st_size / 1e6] * 2
    held = [each["holds"] for each in found["measured"].values()]
    assert done.returncode == (0 if all(held) else 1)
    assert sum(line.split()[-1] in {"ok", "FAIL"} for line in done.stdout.splitlines()) == 3


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """A directory without a run is a failure with its reason, and no figures."""
    out = tmp_path / "report.json"
    done = BENCH.run("--run", str(tmp_path), "--out", str(out))
    if CHROMIUM.exists():
        assert done.returncode == 1
        assert "is no run directory" in done.stderr
        assert not out.exists()
