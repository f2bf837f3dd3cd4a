"""What stalls the controller is named, and seconds that it missed are not judged."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
from processes import PISWARM, Piswarm, Started

from master.store import Event, Store

AWAY_S = 12.0
HOLD_S = 32


def events(directory: Path, kind: str) -> list[Event]:
    with closing(Store(directory / "run.db")) as store:
        return [event for event in store.events() if event.kind == kind]


def check(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in result["validity"] if row["check"] == name)


def long_run(piswarm: Piswarm, hold_s: int, **changes: Any) -> Started:
    load = [{"users": 6, "spawn_rate": 20, "hold": f"{hold_s}s"}]
    started = piswarm.start(piswarm.scenario(load=load, nodes={"expect": 2}, thresholds=["errors < 50 %"], **changes))
    started.wait_for("stage 1 of 1, hold")
    return started


def test_a_stopped_controller_is_a_gap_and_the_users_come_back(piswarm: Piswarm) -> None:
    """While a controller is stopped, the fleet ends its load; that gap is not judged, the rest is, and all users return."""
    started = long_run(piswarm, HOLD_S)
    time.sleep(4)
    started.process.send_signal(signal.SIGSTOP)
    time.sleep(AWAY_S)
    started.process.send_signal(signal.SIGCONT)
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    result = finished.result
    (gap,) = result["gaps"]
    assert AWAY_S <= gap["to_s"] - gap["from_s"] < AWAY_S + 22
    assert f"no controller from {gap['from_s']:.1f} s to {gap['to_s']:.1f} s" in finished.output
    assert result["steady_s"] <= HOLD_S - AWAY_S
    assert result["nodes"]["lost"] == 0
    with closing(Store(started.directory / "run.db")) as store:
        steady = {row.second: row.users for row in store.seconds() if row.steady}
        requests = {second for second, *_ in store.requests()}
    assert not [second for second in steady if gap["from_s"] < second < gap["to_s"]]
    after = [second for second in steady if second >= gap["to_s"]]
    assert after
    assert {steady[second] for second in after} == {6}
    assert set(after) <= requests
    assert events(started.directory, "controller stalled")


def test_the_controllers_own_agent_is_started_again(piswarm: Piswarm) -> None:
    """The controller's own agent is started again when it dies, and a few missing samples leave its CPU known."""
    started = long_run(piswarm, 30)
    agent_of(started).kill()
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    assert len(events(started.directory, "process ended")) == 1
    assert len(events(started.directory, "agent started")) == 1
    assert check(finished.result, "controller_cpu")["observed_percent"] is not None


def test_a_controller_that_is_not_known_half_of_the_time_is_no_pass(piswarm: Piswarm) -> None:
    """A controller whose agent falls silent for half of the run is INVALID, since earlier samples do not speak for the rest."""
    started = long_run(piswarm, 16)
    agent = agent_of(started)
    agent.suspend()
    finished = started.finish()
    if agent.is_running():
        agent.kill()
    assert finished.status == 3, finished.output
    assert finished.result["verdict"] == "INVALID"
    row = check(finished.result, "controller_cpu")
    assert not row["ok"]
    assert row["observed_percent"] is None
    assert row["message"] in finished.result["reason"]


def agent_of(started: Started) -> psutil.Process:
    """Return the controller's own agent, the only such process where nodes are simulated together."""
    (agent,) = [process for process in started.family() if "worker.agent.node" in process.cmdline()]
    return agent


def test_another_program_can_not_lock_the_controller_out_of_its_database(piswarm: Piswarm) -> None:
    """Another program that wants to write to run.db is refused, and the run is not affected."""
    started = long_run(piswarm, 8)
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=1)\n"
        "try: db.execute('BEGIN EXCLUSIVE')\n"
        "except sqlite3.OperationalError as error: print(error)"
    )
    database = str(started.directory / "run.db")
    tried = subprocess.run(
        [sys.executable, "-c", code, database], capture_output=True, encoding="utf-8", timeout=60, check=True
    )
    assert "locked" in tried.stdout
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    assert finished.result["gaps"] == []


FLOOD = """
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0)

    @task
    def health(self):
        self.client.get("/health")
"""


def test_a_target_that_can_do_no_more_is_named(piswarm: Piswarm) -> None:
    """A target whose core is used up by users without pauses is named as the bottleneck."""
    file = piswarm.scenario(
        load=[{"users": 64, "spawn_rate": 64, "hold": "20s"}], nodes={"expect": 2}, fleet={"pi5-cooled": 1}
    )
    (file.parent / "visitors.py").write_text(FLOOD, encoding="utf-8")
    started = piswarm.start(file)
    started.wait_for("stage 1 of 1, hold")
    (target,) = [process for process in started.family() if "master.target" in process.cmdline()]
    target.cpu_percent()
    time.sleep(4)
    used_percent = target.cpu_percent()
    finished = started.finish()
    assert finished.status in (0, 1, 3), finished.output
    named = "The embedded target was the bottleneck" in finished.result["reason"]
    if used_percent > 95:
        assert named, finished.output
    if used_percent < 60:
        assert not named, finished.output
    assert named == any("was the bottleneck" in warning for warning in finished.result["warnings"])


def test_too_few_open_files_are_warned_of_before_the_start(piswarm: Piswarm, tmp_path: Path) -> None:
    """Too few open files for the users are warned of in the first line, with the remedy, and in the result."""
    out = tmp_path / "run"
    scenario = piswarm.scenario(load=[{"users": 300, "spawn_rate": 300, "hold": "5s"}], nodes={"expect": 2})
    with subprocess.Popen(
        [*PISWARM, "run", str(scenario), "--out", str(out)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=dict(os.environ),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)),  # noqa: PLW1509  # no threads here
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert first.startswith("WARNING: a process may have 200 files open here")
    assert "ulimit -n" in first
