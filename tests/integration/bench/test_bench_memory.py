"""`make bench-memory` for real, but small: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from benches import Bench, wait_for_child

BENCH = Bench("memory")
NODES, ENDPOINTS, HOURS = 5, 3, 4

needs_cores = pytest.mark.skipif(len(psutil.Process().cpu_affinity()) < 2, reason="needs two cores")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, dict[str, Any]]:
    """What one small run by the Makefile's command printed to both outputs, and its document."""
    return BENCH.measure(tmp_path_factory.mktemp("bench"), f"--hours {HOURS} --nodes {NODES} --endpoints {ENDPOINTS}")


@needs_cores
def test_table_and_document_have_every_hour(measured: tuple[str, str, dict[str, Any]]) -> None:
    """The table shows the document's figures for every hour, and each hour has a line of progress."""
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
    """The document has the number of reports that were sent and taken, and how many real workers would have sent."""
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
    """Growth is the slope of the hours from the second on: with three, half of the difference of the outer two."""
    _, _, document = measured
    two, _, four = document["hours"][2:]
    for name, slope in document["growth_per_hour"].items():
        assert slope == pytest.approx((four[name] - two[name]) / 2, abs=1e-3)


@needs_cores
def test_too_few_hours_have_no_growth(tmp_path: Path) -> None:
    """With too few hours there is no growth, since two points would make a line of anything."""
    out = tmp_path / "memory.json"
    done = BENCH.run("--hours", "1", "--nodes", "5", "--endpoints", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "too few hours" in done.stdout
    assert json.loads(out.read_text())["growth_per_hour"] is None


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A bench that has begun."""
    with BENCH.started("--nodes", "5", "--out", str(tmp_path / "memory.json")) as process:
        yield process


@needs_cores
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_behind(
    started: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    """An interrupted bench leaves neither a process nor a document."""
    controller = wait_for_child(started, "day.py")
    started.send_signal(number)
    _, complaint = started.communicate(timeout=20)
    assert started.returncode == 4
    assert complaint.endswith("bench: interrupted; nothing was written\n")
    assert not (tmp_path / "memory.json").exists()
    assert not controller.is_running()


@needs_cores
def test_a_controller_that_dies_is_told(started: subprocess.Popen[str], tmp_path: Path) -> None:
    """A controller that dies is reported with its last hour, and no document is written."""
    wait_for_child(started, "day.py").kill()
    _, complaint = started.communicate(timeout=20)
    assert started.returncode == 1
    assert "bench: the controller ended after hour 0" in complaint
    assert not (tmp_path / "memory.json").exists()


@pytest.mark.parametrize(("option", "least"), [("--hours", 1), ("--nodes", 5), ("--endpoints", 1)])
def test_wrong_input_is_refused_with_what_is_wrong(option: str, least: int) -> None:
    """Wrong input is refused before anything is started."""
    done = BENCH.run(option, str(least - 1))
    assert done.returncode == 2
    assert f"argument {option}: {least - 1} is less than {least}" in done.stderr


@needs_cores
def test_a_file_that_can_not_be_written_is_refused_before_measuring(tmp_path: Path) -> None:
    """A file that can't be written is refused before the measurement, and not after three minutes of it."""
    (tmp_path / "file").touch()
    done = BENCH.run("--out", str(tmp_path / "file" / "memory.json"))
    assert done.returncode == 2
    assert "can't write --out" in done.stderr
    assert "Traceback" not in done.stderr
