"""Users whose code fails, who are never made or who never request anything do not pass for the load that was wanted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from processes import PISWARM, Finished, Piswarm, Target

USERS = """
import gevent
from locust import constant, task
from worker.http import HttpUser

class Sound(HttpUser):
    wait_time = constant(0.05)

    @task
    def health(self):
        self.client.get("/health")

class AfterRequest(Sound):
    @task
    def broken(self):
        self.client.get("/health")
        {}["id"]

class Restless(HttpUser):
    wait_time = 1

    @task
    def broken(self):
        raise LookupError("in a task")

class Unstoppable(Sound):
    def on_stop(self):
        raise LookupError("at the end")

class NeverMade(Sound):
    def __init__(self, environment):
        super().__init__(environment)
        raise RuntimeError("never made")

class NeverStarted(Sound):
    def on_start(self):
        raise RuntimeError("never started")

class Leaver(HttpUser):
    @task
    def leave(self):
        raise SystemExit("no token was given")

class LeaverAtStart(Sound):
    def on_start(self):
        raise SystemExit("no token was given")

class Idle(HttpUser):
    @task
    def nothing(self):
        gevent.sleep(0.05)
"""


def run_with(piswarm: Piswarm, target: Target, directory: Path, other: str, **changes: object) -> Finished:
    (directory / "users.py").write_text(USERS, encoding="utf-8")
    users = {"Sound": "= 4", other: "= 4"}
    scenario = piswarm.scenario(locustfile="users.py", users=users, thresholds=[], **changes)
    return piswarm.run(scenario, "--target", target.url, "--local", "2")


@pytest.mark.parametrize("leaver", ["Leaver", "LeaverAtStart"])
def test_users_that_call_sys_exit_end_themselves_alone_and_fail_the_run(
    piswarm: Piswarm, target: Target, tmp_path: Path, leaver: str
) -> None:
    """A user whose code calls sys.exit() ends as with an exception, and takes neither its node nor the others with it."""
    finished = run_with(piswarm, target, tmp_path, leaver)
    assert finished.status == 1, finished.output
    (row,) = finished.result["exceptions"]
    assert (row["user_class"], row["type"], row["message"]) == (leaver, "SystemExit", "no token was given")
    assert row["count"] >= 4
    assert finished.result["nodes"]["lost"] == 0
    assert finished.result["requests"]["total"] > 100


@pytest.mark.parametrize(
    ("other", "raised"),
    [
        ("Restless", {"LookupError: in a task", "TypeError: 'int' object is not callable"}),
        ("Unstoppable", {"LookupError: at the end"}),
    ],
)
def test_what_ends_a_user_beside_its_tasks_is_told(
    piswarm: Piswarm, target: Target, tmp_path: Path, other: str, raised: set[str]
) -> None:
    """What the pause after a failed task raises, or on_stop, is an exception of the run, once for each user."""
    finished = run_with(piswarm, target, tmp_path, other)
    assert finished.status == 1, finished.output
    rows = {f"{row['type']}: {row['message']}": row["count"] for row in finished.result["exceptions"]}
    assert rows == dict.fromkeys(raised, 4)


def test_an_exception_in_a_task_fails_the_run_and_is_told_with_its_place(
    piswarm: Piswarm, target: Target, tmp_path: Path
) -> None:
    """An exception in a task FAILs the run with its place, although all requests were answered."""
    finished = run_with(piswarm, target, tmp_path, "AfterRequest")
    assert finished.status == 1, finished.output
    assert "exceptions = 0 (default)" in finished.result["reason"]
    (row,) = finished.result["exceptions"]
    assert (row["user_class"], row["type"], row["message"], row["line"]) == (
        "AfterRequest",
        "KeyError",
        "'id'",
        '{}["id"]',
    )
    assert row["place"].startswith("users.py:")
    assert row["count"] >= 10
    assert re.search(r"users\.py:\d+.* KeyError: 'id'", finished.output)
    assert "AfterRequest" in finished.output
    assert "users.py:" in (finished.directory / "report.html").read_text(encoding="utf-8")


def test_a_scenario_can_loosen_the_rule_on_exceptions(piswarm: Piswarm, target: Target, tmp_path: Path) -> None:
    """A scenario's own threshold on exceptions replaces the default, and exceptions are still in the result."""
    (tmp_path / "users.py").write_text(USERS, encoding="utf-8")
    scenario = piswarm.scenario(
        locustfile="users.py", users={"AfterRequest": 1}, thresholds=["exceptions < 100000", "errors = 0"]
    )
    finished = piswarm.run(scenario, "--target", target.url)
    assert finished.status == 0, finished.output
    assert finished.result["exceptions"]


@pytest.mark.parametrize(
    ("other", "status", "said"),
    [
        ("NeverMade", 1, "RuntimeError: never made (NeverMade, users.py:"),
        ("NeverStarted", 1, "RuntimeError: never started (NeverStarted, users.py:"),
        ("Idle", 3, "Idle never made a request"),
    ],
)
def test_users_that_do_nothing_pass_for_no_load(  # noqa: PLR0917  # two of them are fixtures
    piswarm: Piswarm, target: Target, tmp_path: Path, other: str, status: int, said: str
) -> None:
    """A run half of whose users do nothing is INVALID and names why, or FAIL where their code raised."""
    finished = run_with(piswarm, target, tmp_path, other)
    assert finished.status == status, finished.output
    (check,) = [row for row in finished.result["validity"] if row["check"] == "users"]
    assert check["ok"] is False
    assert said in finished.result["reason"]


def test_too_few_descriptors_on_a_node_are_not_the_targets_failure(
    piswarm: Piswarm, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that fail for want of descriptors on a node make the run INVALID with the remedy, and are not the
    target's failure.
    """
    (prlimit, *rest) = ("prlimit", "--nofile=120:120", "--")
    monkeypatch.setattr("processes.PISWARM", [prlimit, *rest, *PISWARM])
    scenario = piswarm.scenario(
        load=[{"users": 200, "spawn_rate": 100, "hold": "6s"}], nodes={"expect": 2}, thresholds=["errors = 0"]
    )
    finished = piswarm.run(scenario, "--target", target.url)
    assert finished.status == 3, finished.output
    (check,) = [row for row in finished.result["validity"] if row["check"] == "local_errors"]
    assert check["ok"] is False
    assert "EMFILE: no free file descriptor" in finished.result["reason"]
