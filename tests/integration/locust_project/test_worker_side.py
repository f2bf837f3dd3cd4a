"""What a locustfile sees on the workers of a run: events, users that end, and what of them is in the result."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Finished, Piswarm

LOCUSTFILE = """
import json, os

import gevent
import locust
from locust import User, constant, events, tag, task
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

LOG = os.environ["WORKER_SIDE_LOG"]
locust.runners.CPU_MONITOR_INTERVAL = 1  # s, where Locust has 10


def note(worker, what, *said):
    with open(LOG, "a") as log:
        log.write(json.dumps([worker, what, *said]) + "\\n")


@events.init.add_listener
def init(environment, **_):
    if isinstance(environment.runner, MasterRunner):
        return
    worker = environment.runner.client_id
    for name in ("heartbeat_received", "usage_monitor", "report_to_master", "user_error"):
        getattr(events, name).add_listener(lambda name=name, **given: note(worker, name, sorted(given)))
    note(worker, "init")


@events.test_start.add_listener
def test_start(environment, **_):
    if isinstance(environment.runner, WorkerRunner):
        gevent.sleep(7)  # longer than a worker waits for its controller
        note(environment.runner.client_id, "test_start")


@events.init_command_line_parser.add_listener
def options(parser):
    parser.add_argument("--tenant", default="acme")


class Quick(User):
    wait_time = constant(0.2)

    @tag("never")
    @task
    def never(self):
        note(self.environment.runner.client_id, "never")

    @task
    def twice(self):
        worker = self.environment.runner.client_id
        if not hasattr(self, "heard"):
            note(worker, "began", self.environment.parsed_options.tenant, os.environ["WORKER_SIDE_TOKEN"] == "sesame")
            self.heard = []
            events.request.add_listener(lambda name, **_: self.heard.append(name))
        events.request.fire(
            request_type="OWN", name=worker, response_time=1.0, response_length=0, exception=None, context={}
        )
        if len(self.heard) == 1:
            note(worker, "heard late")


class Once(Quick):
    @task
    def once(self):
        note(self.environment.runner.client_id, "once")
        raise StopUser


class Broken(Quick):
    def on_start(self):
        raise KeyError("no token", os.environ["WORKER_SIDE_TOKEN"])


class NeverMade(Quick):
    def __init__(self, environment):
        super().__init__(environment)
        self.key = {}["api_key"]


Once.tasks, Broken.tasks = [Once.once], [Broken.twice]
"""


class Seen:
    """The finished run, and each worker's notes."""

    def __init__(self, finished: Finished, log: Path) -> None:
        self.finished = finished
        notes = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        self.workers = sorted({worker for worker, *_ in notes})
        self._notes = notes

    def of(self, worker: str, what: str) -> list[Any]:
        return [said for by, named, *said in self._notes if (by, named) == (worker, what)]

    def everywhere(self, what: str) -> int:
        return sum(named == what for _, named, *_ in self._notes)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """One run for all tests of this file."""
    folder = tmp_path_factory.mktemp("worker-side")
    piswarm, log = Piswarm(folder), folder / "notes.log"
    (folder / "own.py").write_text(LOCUSTFILE)
    scenario = piswarm.scenario(
        locustfile="own.py",
        users={"Quick": "= 2 per node", "Once": "= 4", "Broken": "= 2", "NeverMade": "= 2"},
        load=[{"users": 12, "spawn_rate": 6, "hold": "12s"}],
        nodes={"expect": 2},
        thresholds=[],
        arguments={"tenant": "globex"},
        exclude_tags=["never"],
        environment=["WORKER_SIDE_TOKEN"],
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("WORKER_SIDE_LOG", str(log))
        patched.setenv("WORKER_SIDE_TOKEN", "sesame")
        yield Seen(piswarm.run(scenario), log)
    piswarm.close()


def test_events_fire_in_each_worker_as_often_as_locust_fires_them(seen: Seen) -> None:
    """Heartbeats, use of CPU and memory, and reports are heard in each worker, with Locust's arguments, by listeners added late."""
    assert seen.workers == ["sim001_0", "sim002_0"], seen.finished.output
    for worker in seen.workers:
        assert len(seen.of(worker, "init")) == len(seen.of(worker, "test_start")) == 1
        for name, given in (
            ("heartbeat_received", ["client_id", "timestamp"]),
            ("usage_monitor", ["cpu_usage", "environment", "memory_usage"]),
        ):
            assert seen.of(worker, name)[0] == [given]
            assert 10 <= len(seen.of(worker, name)) <= 40
        assert seen.of(worker, "report_to_master")[0] == [["client_id", "data"]]
        assert len(seen.of(worker, "report_to_master")) >= 5
        assert seen.of(worker, "heard late")


def test_a_listener_of_test_start_may_take_its_time(seen: Seen) -> None:
    """A listener of test_start that takes longer than workers wait for a controller delays users, and keeps nobody from reporting."""
    assert (seen.finished.result["nodes"]["lost"], seen.everywhere("began")) == (0, 4), seen.finished.output


def test_tasks_options_variables_and_users_of_each_node_are_as_the_scenario_says(seen: Seen) -> None:
    """Each node has its own users, with the scenario's arguments and variables, and no task with an excluded tag; no file has the secret."""
    for worker in seen.workers:
        assert seen.of(worker, "began") == [["globex", True]] * 2
    assert seen.everywhere("never") == 0
    files = [file for file in seen.finished.directory.rglob("*") if file.is_file()]
    assert len(files) > 4
    assert not [file for file in files if b"sesame" in file.read_bytes()]


def test_users_that_have_ended_by_themselves_are_not_made_again(seen: Seen) -> None:
    """Each user that stops itself does so once, whatever is ordered after that; so does one whose code raises."""
    raised = Counter({row["message"]: row["count"] for row in seen.finished.result["exceptions"]})
    assert seen.everywhere("once") == 4, seen.finished.output
    assert (raised["('no token', '[WORKER_SIDE_TOKEN]')"], raised["'api_key'"]) == (2, 2), raised


def test_exceptions_alone_break_the_default_threshold(seen: Seen) -> None:
    """A run whose requests all succeed and whose users raise is FAIL where the scenario has no thresholds, and says so."""
    assert seen.finished.result["requests"]["failed"] == 0
    assert (seen.finished.status, seen.finished.result["verdict"]) == (1, "FAIL"), seen.finished.output
    assert "exceptions = 0 (default)" in seen.finished.output
