"""`make bench-monitoring` for real, but small: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest
from benches import Bench, wait_for_child
from processes import ROOT

sys.path.append(str(ROOT / "tests/bench/monitoring"))

from monitoring_gates import FLOORS, measured, within_noise

BENCH = Bench("monitoring")

needs_cores = pytest.mark.skipif(len(psutil.Process().cpu_affinity()) < 2, reason="needs two cores")


@needs_cores
def test_each_floor_is_shown_with_what_was_reached_and_its_margin(tmp_path: Path) -> None:
    """The table has the document's figures, floor by floor."""
    printed, progress, document = BENCH.measure(tmp_path, "--rounds 3 --only recording,export")
    assert document["schema"] == "piswarm/bench/monitoring/1"
    assert progress.splitlines() == ["measuring recording", "measuring export"]
    for gate in document["gates"]:
        assert len(gate["rounds"]) == 3
        assert gate["reached"] == gate["median"] == median(gate["rounds"]) > 0
        assert gate["margin"] == pytest.approx(gate["bound"] / gate["reached"])
        line = next(line for line in printed.splitlines() if line.startswith(gate["figure"]))
        assert f"< {gate['bound']:g} ms" in line
        assert f"{gate['reached']:.4g} ms" in line
        assert line.endswith("ok")
    assert "2 of 2 floors hold" in printed


@needs_cores
@pytest.mark.parametrize("area", FLOORS)
def test_every_area_can_be_measured(tmp_path: Path, area: str) -> None:
    """One round of each area has a value for each of its figures; whether it reaches the floor is not judged here."""
    out = tmp_path / "monitoring.json"
    done = BENCH.run("--rounds", "1", "--only", area, "--out", str(out))
    assert done.returncode in {0, 1}, done.stderr
    gates = json.loads(out.read_text())["gates"]
    assert [gate["figure"] for gate in gates] == [title for title, *_ in FLOORS[area].values()]
    assert all(gate["reached"] > 0 for gate in gates)
    assert done.returncode == (0 if all(gate["holds"] for gate in gates) else 1)


@needs_cores
def test_what_is_not_installed_is_skipped_with_the_remedy(tmp_path: Path) -> None:
    """Without OpenTelemetry there is no floor for spans, and the reason is told."""
    hiding = tmp_path / "opentelemetry"
    hiding.mkdir()
    (hiding / "__init__.py").touch()  # a package of that name that has none of its parts
    out = tmp_path / "monitoring.json"
    done = subprocess.run(
        [sys.executable, "tests/bench/monitoring", "--rounds", "1", "--only", "recording,spans", "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "skipped spans: OpenTelemetry is not installed" in done.stdout
    assert list(json.loads(out.read_text())["skipped"]) == ["spans"]


@needs_cores
def test_interrupted_it_leaves_no_process_behind(tmp_path: Path) -> None:
    """An interrupted bench leaves neither a process nor a document."""
    out = tmp_path / "monitoring.json"
    with BENCH.started("--rounds", "10000", "--only", "alerts", "--out", str(out)) as process:
        child = wait_for_child(process, "operations.py")
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=20)
    assert process.returncode == 4
    assert complaint.endswith("bench: interrupted; nothing was written\n")
    assert not out.exists()
    assert not child.is_running()


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [("--only", "nothing", "'nothing' is none of recording"), ("--rounds", "0", "0 is less than 1")],
)
def test_wrong_input_is_refused_with_what_is_wrong(option: str, value: str, says: str) -> None:
    """Wrong input is refused before anything is started."""
    done = BENCH.run(option, value)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    ("ratios", "reached"),
    [
        pytest.param([1.01] * 9, 1.01, id="above it"),
        pytest.param([0.97] * 9, 0.97, id="below it, each time"),
        pytest.param(
            [0.90, 0.95, 0.98, 0.985, 0.985, 0.99, 1.0, 1.02, 1.1], 0.99, id="below it by less than the noise"
        ),
        pytest.param([0.90] * 4 + [0.91] + [0.93] * 4, 0.92, id="below it by more than the noise"),
    ],
)
def test_a_ratio_is_below_its_floor_only_beyond_the_noise(ratios: list[float], reached: float) -> None:
    """A median a little below the floor is none that fails where the rounds scatter more."""
    assert within_noise(ratios, 0.99) == pytest.approx(reached)
    ((kept,),) = [measured("off", {"ratio": ratios})]
    assert kept.median == median(ratios)


def test_no_floor_is_missing() -> None:
    """Each of the floors that the monitoring was given is measured."""
    bounds: dict[str, Any] = {
        title: (sign, bound, unit) for area in FLOORS.values() for title, sign, bound, unit in area.values()
    }
    assert bounds == {
        "record 3000 metrics": ("<", 100, "ms"),
        "10 000 cache reads": ("<", 10, "ms"),
        "hits among them": (">", 95, "%"),
        "10 000 rate-limit checks": ("<", 50, "ms"),
        "10 000 requests of 100 concurrent workers": (">", 1000, "/s"),
        "Prometheus export of 2000 metrics": ("<", 100, "ms"),
        "one tracing span": ("<", 100, "µs"),
        "longest turn of the event loop, 1000 spans/s": ("<", 5, "ms"),
        "the same with the SDK in the worker": (">=", 0, "ms"),
        "1000 alert evaluations": ("<", 50, "ms"),
        "memory of 1000 cached entries": ("<", 1.4, "MB"),
        "GET/s with tracing off, to those without it": (">=", 0.99, ""),
    }
