"""The reader, device and encoding of a run's output change neither its verdict nor its files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from processes import PISWARM, Piswarm
from result_reference import read_result

STATUSES = {"PASS": 0, "FAIL": 1, "INVALID": 3, "ABORTED": 4}
LIMIT_S = 90


@contextlib.contextmanager
def running(
    piswarm: Piswarm, out: Path, stdout: Any, *, hold: str = "5s", **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A run of about `hold` that prints to `stdout`, with standard error in `err` beside `out`."""
    scenario = piswarm.scenario(load=[{"users": 4, "spawn_rate": 20, "hold": hold}])
    command = [*PISWARM, "run", str(scenario), "--out", str(out)]
    with out.with_name("err").open("wb") as err:
        process = subprocess.Popen(command, cwd=out.parent, stdout=stdout, stderr=err, **options)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
            if process.stdout is not None:
                process.stdout.close()


def complaints(out: Path) -> str:
    return out.with_name("err").read_text(encoding="utf-8")


def assert_whole(out: Path, status: int) -> Mapping[str, Any]:
    """Assert that the run's files are there, and that its exit status is its verdict's."""
    result = read_result(out / "result.json")
    assert STATUSES[result["verdict"]] == status
    assert result["requests"]["total"] > 0
    assert {"report.html", "junit.xml", "run.db", "scenario.yml"} <= {path.name for path in out.iterdir()}
    return result


def test_a_reader_that_has_had_enough_does_not_stop_a_run(piswarm: Piswarm, tmp_path: Path) -> None:
    """A reader that closes the pipe, as `head -1` does, neither stops a run nor causes a message."""
    out = tmp_path / "run"
    with running(piswarm, out, subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        status = process.wait(LIMIT_S)
    result = assert_whole(out, status)
    assert result["verdict"] in ("PASS", "INVALID")
    assert complaints(out) == ""


def test_a_reader_that_does_not_read_does_not_hold_up_a_run(piswarm: Piswarm, tmp_path: Path) -> None:
    """A reader that does not read from a full pipe loses lines and does not delay a run."""
    out = tmp_path / "run"
    readable, writable = os.pipe()
    os.write(writable, b"-" * fcntl.fcntl(writable, fcntl.F_GETPIPE_SZ))
    try:
        with running(piswarm, out, writable) as process:
            status = process.wait(LIMIT_S)
    finally:
        os.close(readable)
        os.close(writable)
    assert_whole(out, status)


def test_an_output_whose_disk_is_full_is_told_of_and_the_verdict_stays(piswarm: Piswarm, tmp_path: Path) -> None:
    """When output goes to a full disk, the run is judged by its measurements, and standard error has the verdict and the place."""
    out = tmp_path / "run"
    with Path("/dev/full").open("wb") as full, running(piswarm, out, full) as process:
        status = process.wait(LIMIT_S)
    result = assert_whole(out, status)
    said = complaints(out)
    assert "standard output can't be written: No space left on device" in said
    assert result["verdict"] in said
    assert str(out) in said


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_lacks_is_replaced(piswarm: Piswarm, tmp_path: Path, encoding: str) -> None:
    """Characters that an encoding lacks are replaced in the output of `run` and `nodes`, and not in the files."""
    out = tmp_path / "run"
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    with running(piswarm, out, subprocess.PIPE, env=environment) as process:
        printed, _ = process.communicate(timeout=LIMIT_S)
    result = assert_whole(out, process.returncode)
    assert complaints(out) == ""
    assert result["verdict"] in printed.decode(encoding)
    assert "≤" in (out / "result.json").read_text(encoding="utf-8")
    assert "–" in (out / "report.html").read_text(encoding="utf-8")
    nodes = subprocess.run([*PISWARM, "nodes", str(out)], env=environment, capture_output=True, timeout=60, check=False)
    assert (nodes.returncode, nodes.stderr) == (0, b"")
    assert "sim001" in nodes.stdout.decode(encoding)


def test_a_terminal_that_goes_away_ends_a_run_in_order(piswarm: Piswarm, tmp_path: Path) -> None:
    """A terminal that goes away, with any number of SIGHUP, ends a run in order."""
    out = tmp_path / "run"
    with running(piswarm, out, subprocess.PIPE, hold="10m") as process:
        wait_for_load(process)
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
        process.communicate(timeout=LIMIT_S)
    result = assert_whole(out, process.returncode)
    assert result["verdict"] == "ABORTED"
    assert "terminal went away" in result["reason"]


def test_a_run_that_is_to_outlive_its_terminal_does(piswarm: Piswarm, tmp_path: Path) -> None:
    """A run started with SIGHUP ignored, as by `nohup`, outlives its terminal."""
    out = tmp_path / "run"
    script = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
    scenario = piswarm.scenario(load=[{"users": 4, "spawn_rate": 20, "hold": "8s"}])
    command = [*script, *PISWARM, "run", str(scenario), "--out", str(out)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        wait_for_load(process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=LIMIT_S)
    assert assert_whole(out, process.returncode)["verdict"] in ("PASS", "INVALID")


def wait_for_load(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if b"hold" in line:
            return
    raise AssertionError("it ended before its load")


def test_what_a_run_leaves_is_written_by_its_owner_alone(piswarm: Piswarm, tmp_path: Path) -> None:
    """No file of a run can be written by others than its owner, also under a umask of 000."""
    out = tmp_path / "run"
    with running(piswarm, out, subprocess.DEVNULL, hold="5s", umask=0) as process:
        assert_whole(out, process.wait(LIMIT_S))
    modes = {path.relative_to(out).as_posix(): path.stat().st_mode & 0o777 for path in [out, *out.rglob("*")]}
    assert {name for name, mode in modes.items() if mode & 0o022} == set()
    assert (modes["."], modes["logs"], modes["run.db"], modes["logs/target.log"]) == (0o755, 0o755, 0o644, 0o644)
