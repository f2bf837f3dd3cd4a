"""`make bench-memory`, the real thing but small. What it measures is never judged here, only that it is told rightly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from processes import ROOT

BENCH = [sys.executable, "tests/bench/memory"]
NODES, ENDPOINTS, HOURS = 5, 3, 4

needs_cores = pytest.mark.skipif(len(psutil.Process().cpu_affinity()) < 2, reason="needs two cores")


def make_command(options: str) -> list[str]:
    """What `make bench-memory BENCH=options` runs, with this Python."""
    make = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.ready", "bench-memory", f"BENCH={options}"]
    said = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    python, *words = said.splitlines()[-1].split()
    assert python == ".venv/bin/python"
    return [sys.executable, *words]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, dict[str, Any]]:
    """One small run by the Makefile's command: what it printed to both outputs, and its document."""
    out = tmp_path_factory.mktemp("bench") / "new" / "memory.json"
    command = make_command(f"--hours {HOURS} --nodes {NODES} --endpoints {ENDPOINTS} --out {out}")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr, json.loads(out.read_text())


@needs_cores
def test_table_and_document_have_every_hour(measured: tuple[str, str, dict[str, Any]]) -> None:
    """With the figures of the document in the table, and a line of progress for each."""
    printed, progress, document = measured
    assert document["schema"] == "piswarm/bench/memory/1"
    assert [each["hour"] for each in document["hours"]] == list(range(HOURS + 1))
    rows = [line.split() for line in printed.splitlines()[2:] if line[:4].strip().isdigit()]
    assert len(rows) == HOURS + 1
    for row, each in zip(rows, document["hours"], strict=True):
        assert float(row[1]) == pytest.approx(each["rss_bytes"] / 1e6, abs=0.051)
        assert [int(word) for word in row[3:5]] == [each["objects"], each["entries"]]
    assert [line.split()[:4] for line in progress.splitlines()] == [
        ["hour", str(hour), "of", str(HOURS)] for hour in range(HOURS + 1)
    ]


@needs_cores
def test_what_was_played_is_told(measured: tuple[str, str, dict[str, Any]]) -> None:
    """With how many reports were taken, and how many real workers would have sent."""
    printed, _, document = measured
    hours = document["hours"]
    assert (document["day"]["nodes"], document["day"]["endpoints"], document["day"]["hours"]) == (
        NODES,
        ENDPOINTS,
        HOURS,
    )
    assert document["reports_of_real_nodes"] == NODES * HOURS * 1800
    assert f"{hours[-1]['reports']} reports were taken, of the {NODES * HOURS * 1800} that real workers send" in printed
    for before, after in pairwise(hours):
        for name in ("reports", "samples", "lost", "restarts", "database_bytes"):
            assert after[name] > before[name]
        assert after["rss_bytes"] > after["size_bytes"] > 0


@needs_cores
def test_growth_follows_from_the_hours(measured: tuple[str, str, dict[str, Any]]) -> None:
    """From the second on: of three equally spaced points, the line's slope is half of what lies between the outer two."""
    _, _, document = measured
    two, _, four = document["hours"][2:]
    for name, slope in document["growth_per_hour"].items():
        assert slope == pytest.approx((four[name] - two[name]) / 2, abs=1e-3)


@needs_cores
def test_too_few_hours_have_no_growth(tmp_path: Path) -> None:
    """Two points would make a line of anything."""
    out = tmp_path / "memory.json"
    done = bench("--hours", "1", "--nodes", "5", "--endpoints", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "too few hours" in done.stdout
    assert json.loads(out.read_text())["growth_per_hour"] is None


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BENCH, *options], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has begun."""
    process = subprocess.Popen(
        [*BENCH, "--nodes", "5", "--out", str(tmp_path / "memory.json")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


def wait_for_controller(command: subprocess.Popen[str]) -> psutil.Process:
    """The process that is measured, as soon as there is one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for child in psutil.Process(command.pid).children():
            if any(word.endswith("day.py") for word in child.cmdline()):
                return child
        time.sleep(0.05)
    raise AssertionError("no controller was started")


@needs_cores
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_behind(
    started: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    """Nor a document."""
    controller = wait_for_controller(started)
    started.send_signal(number)
    _, complaint = started.communicate(timeout=20)
    assert started.returncode == 4
    assert complaint.endswith("bench: interrupted; nothing was written\n")
    assert not (tmp_path / "memory.json").exists()
    assert not controller.is_running()


@needs_cores
def test_a_controller_that_dies_is_told(started: subprocess.Popen[str], tmp_path: Path) -> None:
    """After which hour; there is no document of half a day."""
    wait_for_controller(started).kill()
    _, complaint = started.communicate(timeout=20)
    assert started.returncode == 1
    assert "bench: the controller ended after hour 0" in complaint
    assert not (tmp_path / "memory.json").exists()


@pytest.mark.parametrize(("option", "least"), [("--hours", 1), ("--nodes", 5), ("--endpoints", 1)])
def test_wrong_input_is_refused_with_what_is_wrong(option: str, least: int) -> None:
    """Before anything is started."""
    done = bench(option, str(least - 1))
    assert done.returncode == 2
    assert f"argument {option}: {least - 1} is less than {least}" in done.stderr


@needs_cores
def test_a_file_that_can_not_be_written_is_refused_before_measuring(tmp_path: Path) -> None:
    """Not after three minutes."""
    (tmp_path / "file").touch()
    done = bench("--out", str(tmp_path / "file" / "memory.json"))
    assert done.returncode == 2
    assert "can't write --out" in done.stderr
    assert "Traceback" not in done.stderr
