"""The bench of arrivals' lateness for real, but small: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from processes import ROOT

RATE_PER_S, SECONDS, USERS = 200, 1, 4


@pytest.mark.skipif(len(psutil.Process().cpu_affinity()) < 2, reason="needs two cores")
def test_both_models_are_measured_and_shown(tmp_path: Path) -> None:
    """Arrivals have a lateness, the closed model has none; the table shows the document's figures."""
    out = tmp_path / "new" / "lateness.json"
    load = ["--rate", str(RATE_PER_S), "--users", str(USERS), "--rounds", "1", "--seconds", str(SECONDS)]
    command = [sys.executable, "tests/bench/open/lateness.py", *load, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(out.read_text())
    assert document["schema"] == "piswarm/bench/lateness/1"
    opened, closed = document["windows"]
    assert (opened["model"], closed["model"]) == ("open", "closed")
    assert opened["requests"] + opened["missed"] > 0.5 * RATE_PER_S * SECONDS
    assert closed["requests"] > 0
    assert opened["cpu_us"] > 0 < closed["cpu_us"]
    median_ms, p99_ms, p999_ms, max_ms = opened["lateness_ms"]
    assert 0 < median_ms <= p99_ms <= p999_ms <= max_ms
    assert closed["lateness_ms"] == []
    lines = done.stdout.splitlines()
    assert any(line.startswith("start later than due, ms") and f"{p99_ms:.3f}" in line for line in lines)
    assert any(f"{opened['cpu_us']:.1f} µs" in line for line in lines)
