"""`make bench-agent`, the real thing but small. What it measures is never judged here, only that it is told rightly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from processes import ROOT

BENCH = [sys.executable, "tests/bench/agent"]
SAMPLES, PERIOD_S = 4, 0.2
LOADS = ["idle", "busy", "busy, niced"]

needs_cores = pytest.mark.skipif(len(psutil.Process().cpu_affinity()) < 2, reason="needs two cores")


def make_command(options: str) -> list[str]:
    """What `make bench-agent BENCH=options` runs, with this Python."""
    make = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.ready", "bench-agent", f"BENCH={options}"]
    said = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    python, *words = said.splitlines()[-1].split()
    assert python == ".venv/bin/python"
    return [sys.executable, *words]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, dict[str, Any]]:
    """One small run by the Makefile's command: what it printed to both outputs, and its document."""
    out = tmp_path_factory.mktemp("bench") / "new" / "agent.json"
    command = make_command(f"--samples {SAMPLES} --period {PERIOD_S} --out {out}")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr, json.loads(out.read_text())


@needs_cores
def test_every_load_is_measured_and_shown(measured: tuple[str, str, dict[str, Any]]) -> None:
    """With the figures of the document in the table, and a line of progress for each."""
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
    """By a factor for each, and with how far that may be off."""
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
    """Nor Locust, which brings it: an agent would be as large as a worker, and as busy."""
    assert measured[2]["loaded_though_it_must_not"] == []


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BENCH, *options], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has begun."""
    process = subprocess.Popen(
        [*BENCH, "--out", str(tmp_path / "agent.json")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


def wait_for(command: subprocess.Popen[str], word: str) -> psutil.Process:
    """The process of the bench that has `word` in its command line, as soon as there is one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for child in psutil.Process(command.pid).children(recursive=True):
            try:
                if any(word in part for part in child.cmdline()):
                    return child
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.05)
    raise AssertionError(f"no {word} was started")


@needs_cores
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_behind(
    started: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    """Nor a document."""
    processes = [wait_for(started, word) for word in ("controller.py", "worker.node", "worker.rack")]
    started.send_signal(number)
    _, complaint = started.communicate(timeout=30)
    assert started.returncode == 4
    assert complaint.endswith("bench: interrupted; nothing was written\n")
    assert not (tmp_path / "agent.json").exists()
    assert not psutil.wait_procs(processes, 10)[1]


@needs_cores
def test_a_node_that_falls_silent_is_told(started: subprocess.Popen[str], tmp_path: Path) -> None:
    """There is no document of half a measurement."""
    wait_for(started, "controller.py").kill()
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
    """Before anything is started."""
    done = bench(*options)
    assert done.returncode == 2
    assert complaint in done.stderr


@needs_cores
def test_a_file_that_can_not_be_written_is_refused_before_measuring(tmp_path: Path) -> None:
    """Not after three minutes."""
    (tmp_path / "file").touch()
    done = bench("--out", str(tmp_path / "file" / "agent.json"))
    assert done.returncode == 2
    assert "can't write --out" in done.stderr
