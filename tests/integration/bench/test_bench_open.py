"""`make bench-open` for real, but short: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from benches import Bench, wait_for_child

BENCH = Bench("open")
TOOLS = ["piswarm, open", "wrk2", "its algorithm", "closed, same users", "closed, few users"]
PERCENTILES = ["p50", "p90", "p95", "p99", "p99.9"]

needs_cores = pytest.mark.skipif(len(psutil.Process().cpu_affinity()) < 2, reason="needs two cores")


@needs_cores
@pytest.mark.timeout(420)  # five tools, one after the other
def test_every_tool_is_measured_and_shown(tmp_path: Path) -> None:
    """Table, document and picture have each tool, with the figures of the document; a difference beyond the bound is status 1."""
    out = tmp_path / "new" / "open.json"
    done = BENCH.run("--only", "short", "--seconds", "3", "--out", str(out))
    document: dict[str, Any] = json.loads(out.read_text())
    assert document["schema"] == "piswarm/bench/open/1"
    (case,) = document["cases"]
    assert done.returncode == (0 if case["holds"] else 1), done.stdout + done.stderr
    assert [each["tool"] for each in case["measured"]] == TOOLS
    lines = done.stdout.splitlines()
    for found in case["measured"]:
        row = next(line for line in lines if line.startswith(found["tool"]))
        if "missing" in found:
            assert found["missing"] in row
            continue
        assert [*found["latency_ms"]] == PERCENTILES
        assert sorted(found["curve_ms"]) == found["curve_ms"]
        # 200 a second for 3 s, but for those of closed users that wait, and a second's edges.
        assert 400 < found["requests"] < 700
        assert all(f"{latency_ms:,.1f}" in row for latency_ms in found["latency_ms"].values())
    missing = {found["tool"]: found.get("missing") for found in case["measured"]}
    assert (missing.pop("wrk2") == "not installed") == (shutil.which("wrk2") is None)
    assert set(missing.values()) == {None}, done.stderr
    (in_theory,) = (each for each in case["in_theory"] if each["tool"].startswith("piswarm, open"))
    assert in_theory["latency_ms"]["p50"] == pytest.approx(100)
    assert out.with_suffix(".svg").read_text().startswith("<svg ")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A bench that has begun."""
    with BENCH.started("--only", "short", "--out", str(tmp_path / "open.json")) as process:
        yield process


@needs_cores
def test_interrupted_it_leaves_no_process_behind(started: subprocess.Popen[str], tmp_path: Path) -> None:
    """An interrupted bench leaves neither a process nor a document."""
    processes = [wait_for_child(started, word) for word in ("truth_target.py", "master.cli")]
    started.send_signal(signal.SIGINT)
    _, complaints = started.communicate(timeout=60)
    assert started.returncode == 4, complaints
    gone, alive = psutil.wait_procs(processes, timeout=20)
    assert (len(gone), alive) == (2, [])
    assert not (tmp_path / "open.json").exists()


def test_a_window_that_is_no_whole_number_of_stalls_is_refused() -> None:
    """A window in which a part of a stall would lie is wrong input, named with its case."""
    done = BENCH.run("--only", "second", "--seconds", "15")
    assert done.returncode == 2
    assert "--seconds 15 is not a whole number of the stalls of second" in done.stderr
