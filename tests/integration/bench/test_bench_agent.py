"""`make bench-agent` for real, but small: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from benches import Bench, wait_for_child

BENCH = Bench("agent")
SAMPLES, PERIOD_S = 4, 0.2
LOADS = ["idle", "busy", "busy, niced"]

needs_cores = pytest.mark.skipif(len(psutil.Process().cpu_affinity()) < 2, reason="needs two cores")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, dict[str, Any]]:
    """What one small run by the Makefile's command printed to both outputs, and its document."""
    return BENCH.measure(tmp_path_factory.mktemp("bench"), f"--samples {SAMPLES} --period {PERIOD_S}")


@needs_cores
def test_every_load_is_measured_and_shown(measured: tuple[str, str, dict[str, Any]]) -> None:
    """The table shows the document's figures for every load, and each load has a line of progress."""
    printed, progress, document = measured
    assert document["schema"] == "piswarm/bench/agent/1"
    assert [each["load"] for each in document["windows"]] == LOADS
    for each in document["windows"]:
        assert each["samples"] == SAMPLES
        assert 0 < each["cpu_s_per_sample"] < PERIOD_S
        assert 0 <= each["late_median_ms"] <= each["late_max_ms"]
        assert 0 < each["pss_bytes"] <= each["rss_bytes"]
        row = next(line for line in printed.splitlines() if line.startswith(f"{each['load']}  "))
        assert f"{1000 * each['cpu_s_per_sample']:.3f}" in row
        assert f"{each['rss_bytes'] / 1e6:.1f}" in row
    assert [line.partition(":")[0] for line in progress.splitlines()] == LOADS


@needs_cores
def test_the_boards_figures_follow_from_the_idle_one(measured: tuple[str, str, dict[str, Any]]) -> None:
    """A board's figures follow from those of the idle load by the board's factor, with their uncertainty."""
    printed, _, document = measured
    (zero, three, four, five) = document["boards"]
    cpu_s = document["windows"][0]["cpu_s_per_sample"]
    assert [each["percent"] for each in (zero, three, four, five)] == pytest.approx(
        [100 * cpu_s / PERIOD_S * factor for factor in (9.0, 6.5, 4.0, 2.0)]
    )
    for each in (zero, three, four, five):
        assert (each["least"], each["most"]) == pytest.approx((0.7 * each["percent"], 1.3 * each["percent"]))
        assert f"{each['board']}  " in printed
    assert "Nothing was measured on a Pi" in printed


@needs_cores
def test_an_agent_loads_no_gevent(measured: tuple[str, str, dict[str, Any]]) -> None:
    """An agent loads neither gevent nor Locust, with which it would be as large and busy as a worker."""
    assert measured[2]["loaded_though_it_must_not"] == []


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A bench that has begun."""
    with BENCH.started("--out", str(tmp_path / "agent.json")) as process:
        yield process


@needs_cores
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_behind(
    started: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    """An interrupted bench leaves neither a process nor a document."""
    processes = [
        wait_for_child(started, word) for word in ("controller.py", "worker.agent.node", "worker.load.process")
    ]
    started.send_signal(number)
    _, complaint = started.communicate(timeout=30)
    assert started.returncode == 4
    assert complaint.endswith("bench: interrupted; nothing was written\n")
    assert not (tmp_path / "agent.json").exists()
    assert not psutil.wait_procs(processes, 10)[1]


@needs_cores
def test_a_node_that_falls_silent_is_told(started: subprocess.Popen[str], tmp_path: Path) -> None:
    """A node that falls silent is named, and no document of half a measurement is written."""
    wait_for_child(started, "controller.py").kill()
    _, complaint = started.communicate(timeout=30)
    assert started.returncode == 1
    assert "bench: the node fell silent" in complaint
    assert not (tmp_path / "agent.json").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--samples", "0"], "argument --samples: 0 is less than 1"),
        (["--period", "0"], "argument --period: 0 is not between 0.1 and 3600 seconds"),
    ],
)
def test_wrong_input_is_refused_with_what_is_wrong(options: list[str], complaint: str) -> None:
    """Wrong input is refused before anything is started."""
    done = BENCH.run(*options)
    assert done.returncode == 2
    assert complaint in done.stderr


@needs_cores
def test_a_file_that_can_not_be_written_is_refused_before_measuring(tmp_path: Path) -> None:
    """A file that can't be written is refused before the measurement, and not after three minutes of it."""
    (tmp_path / "file").touch()
    done = BENCH.run("--out", str(tmp_path / "file" / "agent.json"))
    assert done.returncode == 2
    assert "can't write --out" in done.stderr
