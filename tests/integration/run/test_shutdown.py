"""A run that fails after the start of its processes leaves none of them; the rest is in tests/unit/run/test_run_end.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from processes import Piswarm, left_behind
from result_reference import read_result

LIMIT_S = 90
BEGIN = """
import locust, sys
from master.cli import main
from master.errors import InputError
from master.fleet.master import FleetMaster
from master.run.processes.local import LocalProcesses
from master.run.start import fleet as start_fleet

def fail(*arguments, **options):
    raise {error}

real_start = LocalProcesses.start_racks
def start_and_fail(*arguments, **options):
    real_start(*arguments, **options)
    fail()

"""
END = """
sys.exit(main())
"""


@pytest.mark.parametrize(
    "patch",
    [
        "start_fleet.assignments = fail",
        "LocalProcesses.start_racks = start_and_fail",
        "FleetMaster.finish = fail",
        "FleetMaster.send_quit = fail",
    ],
)
@pytest.mark.parametrize("error", ["InputError('no such thing', hint='Put it back.')", "RuntimeError('no such thing')"])
def test_whatever_fails_after_the_start_the_processes_are_ended_and_the_run_is_aborted(
    piswarm: Piswarm, tmp_path: Path, error: str, patch: str
) -> None:
    """Any failure after the start, also wrong input, ends all processes and gives ABORTED with the reason in all places."""
    scenario = piswarm.scenario(load=[{"users": 4, "spawn_rate": 20, "hold": "5s"}], nodes={"expect": 2})
    command = [sys.executable, "-c", BEGIN.format(error=error) + patch + END, "run", str(scenario), "--out", "out"]
    done = subprocess.run(
        [*command, "--separate"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 4, done.stdout
    result = read_result(tmp_path / "out" / "result.json")
    assert result["verdict"] == "ABORTED"
    assert "no such thing" in result["reason"]
    assert "no such thing" in done.stdout
    assert ("Traceback" in done.stdout) == error.startswith("RuntimeError")
    assert not left_behind(tmp_path)
