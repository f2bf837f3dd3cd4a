"""When nodes, workers or the controller die in mid-run, the load goes on and every request counts once."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from processes import Finished, Piswarm, Started, Target
from run_events import events, users_over_time, wait_for_event

from master.store import Store
from worker.agent.supervisor import CRASH_LOOP_ENDS

USERS = 12
MOVED_WITHIN_S = 5.0
CRASHING_ON_SIM002 = """
import os, sys
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.05)

    def on_start(self):
        if self.environment.runner.client_id == "sim002_0":
            print("the camera is on fire", file=sys.stderr, flush=True)
            os._exit(7)

    @task
    def health(self):
        self.client.get("/health")
"""

WITH_LONG_TASKS = """
import time
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.05)

    @task
    def health(self):
        self.client.get("/health")
        time.sleep(4)
"""


def scenario(piswarm: Piswarm, hold: str = "20s", nodes: int = 3) -> Path:
    return piswarm.scenario(
        load=[{"users": USERS, "spawn_rate": 20, "hold": hold}],
        nodes={"expect": nodes, "min": 1},
        fleet={"pi4-cooled": 1},  # alike, so that each has as many users as the others
        thresholds=["errors <= 100 %"],
    )


def processes_of(started: Started, number: int) -> list[psutil.Process]:
    """Return the agent and worker of the node of that number, from 0; nodes are started in order."""
    agents = [child for child in started.family()[0].children() if "worker.simulation.node" in child.cmdline()]
    agent = sorted(agents, key=lambda child: child.pid)[number]
    return [agent, *agent.children()]


def assert_all_counted(finished: Finished, target: Target) -> None:
    """Assert that the result has all requests that the target counted."""
    assert finished.result["requests"]["total"] == sum(target.counts().values())
    assert finished.result["unreported_workers"] == []


def kill(node: list[psutil.Process]) -> None:
    for process in node:
        process.kill()


def freeze(node: list[psutil.Process]) -> None:
    """Stop processes so that nothing is heard of them, as when their cable is cut."""
    for process in node:
        process.suspend()


@pytest.mark.parametrize("end", [kill, freeze])
def test_a_lost_nodes_users_are_on_others_within_five_seconds(
    piswarm: Piswarm, target: Target, end: Callable[[list[psutil.Process]], None]
) -> None:
    """The users of one lost node of three run on others within 5 s; other users go on, and there is no second ramp."""
    started = piswarm.start(scenario(piswarm), "--separate", "--target", target.url)
    started.wait_for("stage 1 of 1, hold")
    node = processes_of(started, 1)
    assert len(node) == 2
    end(node)
    event, waited_s = wait_for_event(started.directory, "lost", "sim002")
    assert waited_s < MOVED_WITHIN_S
    assert "4 user(s) went to other nodes" in event.detail
    finished = started.finish()
    kill([process for process in node if process.is_running()])
    assert finished.status in (0, 3), finished.output
    result = finished.result
    assert result["nodes"]["lost"] == 1
    # The users were never fewer than those of the two other nodes, and all of them were there again in time.
    users = users_over_time(started.directory)
    ramped_s = min(second for second, count in users.items() if count == USERS)
    lost_s = int(event.offset_s)
    assert ramped_s < lost_s
    assert min(count for second, count in users.items() if ramped_s <= second < max(users) - 1) >= USERS - 4
    assert users[lost_s + 3] == USERS
    # What it had not reported is missing, by name.
    assert result["unreported_workers"] == ["sim002_0"]
    missing = sum(target.counts().values()) - result["requests"]["total"]
    assert 0 <= missing < 2000


def test_a_node_that_comes_back_is_taken_in_again_and_nothing_of_it_is_lost(piswarm: Piswarm, target: Target) -> None:
    """A node that is lost and returns gets users again, and its unacknowledged reports are all in the result."""
    started = piswarm.start(scenario(piswarm, hold="30s"), "--separate", "--target", target.url)
    started.wait_for("stage 1 of 1, hold")
    node = processes_of(started, 0)
    freeze(node)
    wait_for_event(started.directory, "lost", "sim001")
    for process in node:
        process.resume()
    event, _ = wait_for_event(started.directory, "returned", "sim001")
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    users = users_over_time(started.directory)
    assert [users.get(second) for second in range(int(event.offset_s) + 8, max(users) - 4)].count(USERS) > 5
    assert_all_counted(finished, target)


def test_a_killed_worker_is_started_again_by_its_agent(piswarm: Piswarm, target: Target) -> None:
    """A killed worker loses its users to others, is started again by its agent and gets users back; its node is not lost."""
    started = piswarm.start(scenario(piswarm, hold="25s"), "--separate", "--target", target.url)
    started.wait_for("stage 1 of 1, hold")
    _, worker = processes_of(started, 2)
    worker.kill()
    event, waited_s = wait_for_event(started.directory, "worker ended", "sim003")
    assert waited_s < MOVED_WITHIN_S
    assert event.detail.startswith(f"sim003_0: signal {signal.SIGKILL.value}; started again in 0.")
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    assert finished.result["nodes"]["lost"] == 0
    assert finished.result["unreported_workers"] == ["sim003_0"]
    users = users_over_time(started.directory)
    assert [users.get(second) for second in range(int(event.offset_s) + 8, max(users) - 4)].count(USERS) > 5


def test_a_node_whose_workers_crash_again_and_again_gets_no_more_users(piswarm: Piswarm, target: Target) -> None:
    """A node whose worker crashes repeatedly is quarantined, with the worker's last output and growing intervals, until
    one stays.
    """
    file = scenario(piswarm, hold="25s")
    (file.parent / "visitors.py").write_text(CRASHING_ON_SIM002)
    started = piswarm.start(file, "--separate", "--target", target.url)
    started.wait_for("stage 1 of 1, hold")
    event, _ = wait_for_event(started.directory, "quarantined", "sim002")
    assert event.detail.startswith("its workers end again and again; ")
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    assert finished.result["nodes"]["quarantined"] == 1
    ends = [event.detail for event in events(started.directory) if event.kind == "worker ended"]
    assert len(ends) >= CRASH_LOOP_ENDS
    assert all(end.startswith("sim002_0: exit status 7; the camera is on fire; ") for end in ends)
    assert ["it ends again and again" in end for end in ends] == [
        place >= CRASH_LOOP_ENDS - 1 for place in range(len(ends))
    ]
    # A node with no users has no reason to end: the worker that was started last stays, and nobody else lost a user.
    users = users_over_time(started.directory)
    assert [users.get(second) for second in range(int(event.offset_s) + 3, max(users) - 1)].count(USERS) > 5
    assert "sim002" in (finished.directory / "report.html").read_text()


@pytest.mark.parametrize("separate", [(), ("--separate",)])
def test_a_run_whose_controller_was_killed_is_resumed(
    piswarm: Piswarm, target: Target, separate: tuple[str, ...]
) -> None:
    """After its controller is killed the fleet falls idle and keeps its reports, and a resumed run has one result with the gap."""
    started = piswarm.start(scenario(piswarm, hold="12s"), *separate, "--target", target.url)
    started.wait_for("stage 1 of 1, hold")
    command, *others = started.family()
    time.sleep(3)
    command.kill()
    started.process.communicate()
    died_s = time.monotonic()
    idle_since_s, count = died_s, sum(target.counts().values())
    while time.monotonic() - idle_since_s < 2:
        assert time.monotonic() - died_s < 12, "the fleet goes on without a controller"
        if (now := sum(target.counts().values())) != count:
            idle_since_s, count = time.monotonic(), now
        time.sleep(0.2)
    assert idle_since_s - died_s < 10
    assert ((started.directory / "keys.json").stat().st_mode & 0o777) == 0o600

    finished = piswarm.resume(started.directory)
    assert finished.status in (0, 3), finished.output
    result = finished.result
    assert_all_counted(finished, target)
    (gap,) = result["gaps"]
    assert 2 < gap["from_s"] < gap["to_s"]
    assert 7 <= result["steady_s"] <= 12
    assert [event.kind for event in events(started.directory)][:2] == ["controller lost", "resumed"]
    assert not (started.directory / "keys.json").exists()
    assert not [process for process in others if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_a_run_whose_controller_was_killed_when_the_load_had_ended_is_only_brought_to_its_end(
    piswarm: Piswarm, target: Target
) -> None:
    """A run whose controller is killed after its load is resumed only to its end: late reports are awaited, no user is started."""
    file = scenario(piswarm, hold="5s")
    (file.parent / "visitors.py").write_text(WITH_LONG_TASKS)
    started = piswarm.start(file, "--target", target.url)
    started.wait_for("stopping: ")
    time.sleep(2.5)  # the tasks take longer, and where the run stands is kept once a second
    started.process.kill()
    started.process.communicate()
    finished = piswarm.resume(started.directory)
    assert finished.status in (0, 3), finished.output
    assert_all_counted(finished, target)
    assert finished.result["gaps"] == []
    assert finished.result["duration_s"] < 10
    assert not re.search("users [1-9]", finished.output)


def test_users_that_are_wanted_again_while_they_end_their_task_are_started(piswarm: Piswarm, target: Target) -> None:
    """Users that were told to stop do not count as running while they end their tasks, so that others start at once."""
    file = piswarm.scenario(
        load=[
            {"users": 12, "spawn_rate": 100, "hold": "4s"},
            {"users": 4, "spawn_rate": 100, "hold": "1s"},
            {"users": 12, "spawn_rate": 100, "hold": "9s"},
        ],
        nodes={"expect": 3},
        thresholds=["errors <= 100 %"],
        stop_timeout="20s",
    )
    (file.parent / "visitors.py").write_text(WITH_LONG_TASKS)
    started = piswarm.start(file, "--target", target.url)
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    assert_all_counted(finished, target)
    with closing(Store(started.directory / "run.db")) as store:
        held = [row.users for row in store.seconds() if row.steady and row.stage.startswith("3")]
    assert set(held[3:]) == {USERS}  # those that went on come first
    # Each of them makes a request in 4 s, in two spans of about 3 and 10 s.
    assert finished.result["requests"]["total"] >= USERS + 2 * USERS


def test_what_can_not_be_resumed_is_refused(piswarm: Piswarm, tmp_path: Path) -> None:
    """A run that has ended, one that is still on, and a directory without a run are not resumed."""
    started = piswarm.start(
        piswarm.scenario(load=[{"users": 2, "spawn_rate": 20, "hold": "300s"}], nodes={"expect": 1})
    )
    started.wait_for("stage 1 of 1, hold")
    refused = piswarm.resume(started.directory)
    assert refused.status == 2
    assert "is still on" in refused.output
    started.process.send_signal(signal.SIGINT)  # it lasts until then, however slow the machine is
    assert started.finish().status == 4
    refused = piswarm.resume(started.directory)
    assert refused.status == 2
    assert "is no run that was broken off" in refused.output
    assert piswarm.resume(tmp_path / "nowhere").status == 2
