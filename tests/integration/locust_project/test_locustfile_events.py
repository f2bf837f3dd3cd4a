"""Locust's events and runner in a locustfile, on nodes that share a process, through the command."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from processes import Finished, Piswarm, Target

LOAD = [{"users": 4, "spawn_rate": 20, "hold": "5s"}]
VISITOR = """
class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def health(self):
        self.client.get("/health")
"""
IMPORTS = """
import gevent, locust
from locust import constant, events, task, User
from worker.http import HttpUser
"""


def run(piswarm: Piswarm, tmp_path: Path, locustfile: str, *options: str, **changes: Any) -> Finished:
    """Run a locustfile on three simulated nodes."""
    (tmp_path / "own.py").write_text(IMPORTS + locustfile, encoding="utf-8")
    scenario = piswarm.scenario(**{"locustfile": "own.py", "load": LOAD, "nodes": {"expect": 3}, **changes})
    return piswarm.run(scenario, *options)


def test_requests_fired_on_the_global_event_are_counted_each_once(piswarm: Piswarm, tmp_path: Path) -> None:
    """Requests that users fire on either event are counted once in the result, and listeners of either event hear each."""
    log = tmp_path / "fired.log"
    finished = run(
        piswarm,
        tmp_path,
        f"""
def note(what):
    with open({str(log)!r}, "a") as file:
        file.write(what + "\\n")

@events.request.add_listener
def heard(name, **_):
    note("heard " + name)

@events.init.add_listener
def listen(environment, **_):
    locust.events.request.add_listener(lambda name, **_: note("heard again " + name))

class Raw(User):
    wait_time = constant(0.2)

    @task
    def both(self):
        for name, hook in (("global", events.request), ("own", self.environment.events.request)):
            note("fired " + name)
            hook.fire(request_type="RAW", name=name, response_time=3.0, response_length=1, exception=None, context={{}})
""",
        users={"Raw": 1},
        thresholds=[],
    )
    said = Counter(log.read_text().splitlines())
    totals = {row["name"]: row["total"] for row in finished.result["endpoints"]}
    assert totals.keys() == {"global", "own"}, finished.output
    for name, total in totals.items():
        assert total > 20
        assert {total} == {said[f"{verb} {name}"] for verb in ("fired", "heard", "heard again")}


def test_an_init_listener_that_fails_ends_the_run_before_any_load(
    piswarm: Piswarm, target: Target, tmp_path: Path
) -> None:
    """A failing init listener ends the run before any load, with its exception and place as the reason and no process left."""
    locustfile = """
@events.init.add_listener
def read_accounts(environment, **_):
    open("/no/such/accounts.csv")
"""
    (tmp_path / "own.py").write_text(IMPORTS + locustfile + VISITOR, encoding="utf-8")
    started = piswarm.start(
        piswarm.scenario(locustfile="own.py", load=LOAD, nodes={"expect": 3}), "--target", target.url
    )
    started.wait_for("the locustfile begins")
    family = started.family()[1:]
    finished = started.finish()
    assert finished.status == 4, finished.output
    reason = finished.result["reason"]
    assert reason.startswith("a listener of init failed: FileNotFoundError"), reason
    assert "'/no/such/accounts.csv' (at own.py:" in reason
    assert target.counts() == {}
    assert not [process for process in family if process.is_running()]


def test_a_listener_that_exits_is_a_listener_that_fails(piswarm: Piswarm, tmp_path: Path) -> None:
    """A listener that calls sys.exit() on a worker is one that fails, and does not end the other nodes of its process."""
    finished = run(
        piswarm,
        tmp_path,
        """
@events.init.add_listener
def need_token(environment, **_):
    if isinstance(environment.runner, locust.runners.WorkerRunner):
        raise SystemExit("no token was given")
"""
        + VISITOR,
    )
    assert (finished.status, finished.result["requests"]["total"]) == (4, 0), finished.output
    assert "SystemExit: no token was given (own.py:" in finished.result["reason"]


def test_a_locustfile_that_quits_ends_the_run_by_name(piswarm: Piswarm, tmp_path: Path) -> None:
    """A user that calls runner.quit() ends the whole run in order, since a part of the users is another load, and is named."""
    finished = run(
        piswarm,
        tmp_path,
        """
class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def health(self):
        self.client.get("/health")
        if self.environment.runner.state == "running":
            self.environment.runner.quit()
""",
        load=[{"users": 4, "spawn_rate": 20, "hold": "10m"}],
    )
    assert finished.status == 3, finished.output  # the load was held for less than a second
    ended = "The run ended before its time: the locustfile called runner.quit() (own.py:13), on sim00"
    assert ended in finished.result["reason"], finished.output
    assert finished.result["unreported_workers"] == []


@pytest.mark.parametrize("separate", [[], ["--separate"]], ids=["in one process", "separate"])
def test_each_worker_hears_its_life_from_init_to_quit(piswarm: Piswarm, tmp_path: Path, separate: list[str]) -> None:
    """Each worker hears Locust's events in their order, no user begins before init is done, and own options have their values."""
    log = tmp_path / "events.log"
    finished = run(
        piswarm,
        tmp_path,
        f"""
def note(worker, what):
    with open({str(log)!r}, "a") as file:
        file.write(worker + " " + what + "\\n")

@events.init_command_line_parser.add_listener
def options(parser):
    parser.add_argument("--tenant", env_var="SHOP_TENANT", default="acme")
    parser.add_argument("--depth", type=int, default=3)

@events.init.add_listener
def init(environment, runner, **_):
    if isinstance(runner, locust.runners.MasterRunner):
        return
    worker = runner.client_id
    gevent.sleep(1)
    note(worker, "init")
    for name in ("test_start", "test_stopping", "test_stop", "quitting", "quit"):
        getattr(environment.events, name).add_listener(lambda name=name, **_: note(worker, name))

class Visitor(HttpUser):
    wait_time = constant(0.1)

    def on_start(self):
        options = self.environment.parsed_options
        note(self.environment.runner.client_id, f"{{options.tenant}} {{options.depth}} {{options.num_users}} {{options.run_time:g}}")

    @task
    def health(self):
        self.client.get("/health")
""",
        *separate,
        load=[{"users": 2, "spawn_rate": 20, "hold": "5s"}],
        nodes={"expect": 2},
        thresholds=[],
    )
    assert finished.result["requests"]["failed"] == 0, finished.output
    lines = log.read_text().splitlines()
    for worker in ("sim001_0", "sim002_0"):
        said = [line.removeprefix(f"{worker} ") for line in lines if line.startswith(worker)]
        begin, options, end = said[:2], said[2:-4], said[-4:]
        assert begin == ["init", "test_start"]
        assert options == ["acme 3 2 5.1"]
        assert end == ["test_stopping", "test_stop", "quitting", "quit"]


def test_a_listener_that_fails_in_mid_run_is_an_exception_of_the_run(piswarm: Piswarm, tmp_path: Path) -> None:
    """A failing listener in mid-run is an exception of the run, with its place, as are those of users' tasks."""
    finished = run(
        piswarm,
        tmp_path,
        """
@events.test_start.add_listener
def create(environment, **_):
    {}["no_such_key"]
"""
        + VISITOR,
        thresholds=[],
    )
    with closing(sqlite3.connect(finished.directory / "run.db")) as database:
        exceptions = database.execute("SELECT * FROM exceptions").fetchall()
    said = [str(row) for row in exceptions]
    assert any("listener of test_start" in row and "KeyError" in row and "own.py:" in row for row in said), said
