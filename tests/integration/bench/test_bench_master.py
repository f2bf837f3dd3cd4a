"""`make bench-master` for real, but small: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest
from benches import Bench, wait_for_child
from processes import ROOT

BENCH = Bench("master")
MASTERS = ["stock", "ours"]
WINDOWS = {"idle": 0, "loaded_1": 1, "loaded_10": 10}

needs_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What one small run by the Makefile's command printed, and its document."""
    printed, _, document = BENCH.measure(tmp_path_factory.mktemp("bench"), "--workers 20 --rounds 1 --seconds 1")
    return printed, document


@needs_cores
def test_table_and_document_have_both_masters(measured: tuple[str, dict[str, Any]]) -> None:
    """The table shows the document's figures for both masters."""
    printed, document = measured
    assert [(row["workers"], row["master"]) for row in document["summary"]] == [(20, master) for master in MASTERS]
    for row, name in zip(document["summary"], ("Locust", "piswarm"), strict=True):
        assert row["missing"] is None
        (line,) = [line for line in printed.splitlines() if line.split()[:2] == ["20", name]]
        shown = [float(word) for word in line.split()[2:10]]
        assert shown == pytest.approx(list(row["figures"].values()), abs=0.51)
    assert document["schema"] == "piswarm/bench/master/1"
    assert document["load"]["endpoints"] == WINDOWS
    assert document["machine"]["master_core"] != document["machine"]["peers_core"]


@needs_cores
def test_each_master_knew_all_workers_and_counted_all_they_reported(measured: tuple[str, dict[str, Any]]) -> None:
    """In each round the master knew all workers and counted at least the requests that they report in a window."""
    _, document = measured
    for each in document["rounds"]:
        assert each["error"] is None
        assert each["ready"]["cpu_s"] > 0 or each["ready"]["seconds"] > 0
        assert set(each["windows"]) == set(WINDOWS)
        assert each["requests"] >= 20 * 2 * (1 + 10)


@needs_cores
def test_summary_follows_from_the_raw_figures(measured: tuple[str, dict[str, Any]]) -> None:
    """The summary has the medians of the rounds' figures, and of their ratios to the stock master's of the same round."""
    _, document = measured
    rounds = {each["master"]: each for each in document["rounds"]}
    for row in document["summary"]:
        mine = rounds[row["master"]]
        assert row["figures"]["ready_s"] == mine["ready"]["seconds"]
        assert row["figures"]["ramp_cpu_s"] == mine["ramp"]["cpu_s"]
        for window in WINDOWS:
            assert row["figures"][f"{window}_percent"] == median([mine["windows"][window]["cpu_percent"]])
    stock, ours = document["summary"]
    assert stock["of_stock"] == {}
    assert ours["of_stock"]["ramp_s"] == pytest.approx(ours["figures"]["ramp_s"] / stock["figures"]["ramp_s"])


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A bench that has begun."""
    with BENCH.started(
        "--workers", "5", "--rounds", "1", "--seconds", "60", "--out", str(tmp_path / "master.json")
    ) as process:
        yield process


@needs_cores
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_behind(
    started: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    """An interrupted bench leaves neither the master nor its workers."""
    family = [wait_for_child(started, script) for script in ("masters.py", "crowd.py")]
    started.send_signal(number)
    _, complaint = started.communicate(timeout=20)
    assert started.returncode == 4
    assert complaint.endswith("bench: interrupted; nothing was written\n")
    assert not (tmp_path / "master.json").exists()
    assert not any(process.is_running() for process in family)


@needs_cores
def test_a_master_that_dies_has_no_figures(started: subprocess.Popen[str], tmp_path: Path) -> None:
    """A master that dies has a reason in place of figures, the other master is measured all the same, and the status is 1."""
    for kind in MASTERS:
        peers, master = (wait_for_child(started, script) for script in ("crowd.py", "masters.py"))
        assert kind in master.cmdline()
        master.kill()
        gone, _ = psutil.wait_procs([master, peers], timeout=20)
        assert len(gone) == 2
    printed, _ = started.communicate(timeout=20)
    assert started.returncode == 1
    for row in json.loads((tmp_path / "master.json").read_text())["summary"]:
        assert row["figures"] == {}
        assert row["missing"].startswith("failed: masters ended")
    assert "failed: masters ended" in printed


@needs_cores
def test_more_workers_than_open_files_allow_are_refused() -> None:
    """More workers than open files allow are refused before anything is started, with the number that fits."""
    few = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000)); "
    command = [sys.executable, "-c", few + "runpy.run_path('tests/bench/master', run_name='__main__')"]
    done = subprocess.run([*command, "--workers", "10,201"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("bench: 201 workers don't fit, at most 200 do: raise the limit on open files")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--workers", "10,0"], "0 is less than 1"),
        (["--workers", "ten"], "invalid"),
        (["--rounds", "0"], "0 is less than 1"),
        (["--seconds", "0"], "0 is not between 0.1 and 3600 seconds"),
    ],
)
def test_wrong_input_is_refused_with_what_is_wrong(options: list[str], complaint: str) -> None:
    """Wrong input is refused before anything is started."""
    done = BENCH.run(*options)
    assert done.returncode == 2
    assert complaint in done.stderr


@needs_cores
def test_a_file_that_can_not_be_written_is_refused_before_measuring(tmp_path: Path) -> None:
    """A file that can't be written is refused before the measurement, and not after a quarter of an hour of it."""
    (tmp_path / "file").touch()
    done = BENCH.run("--out", str(tmp_path / "file" / "master.json"))
    assert done.returncode == 2
    assert "can't write --out" in done.stderr
    assert "Traceback" not in done.stderr
