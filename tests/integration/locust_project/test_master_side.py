"""The master side of a Locust project, through the command: events, statistics, messages, own pass/fail rules, and its ends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from processes import Finished, Piswarm, left_behind

LOAD = [{"users": 4, "spawn_rate": 20, "hold": "5s"}]
USERS = """
import gevent, json, os
from locust import constant, events, task
from locust.runners import MasterRunner, WorkerRunner
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task(9)
    def health(self):
        self.client.get("/health")

    @task
    def missing(self):
        self.client.get("/no/such/path", name="/missing")
"""
OBSERVER = """
LOG = "seen.log"

def note(what, **more):
    with open(LOG, "a") as log:
        log.write(json.dumps({"pid": os.getpid(), "what": what, **more}) + "\\n")

note("import")
print("a word of the master side", flush=True)

def listen(name):
    @getattr(events, name).add_listener
    def noted(**given):
        if name == "init":
            runner = given["runner"]
            master = isinstance(runner, MasterRunner)
            note("init", master=master, given=sorted(given))
            if master:
                runner.register_message("thanks", thanked)
            else:
                runner.register_message("names", take)
        else:
            note(name, given=sorted(given))

for each in ["init", "test_start", "spawning_complete", "test_stopping", "test_stop", "quitting", "quit", "worker_connect",
             "worker_report", "heartbeat_sent"]:
    listen(each)

@events.report_to_master.add_listener
def attach(client_id, data):
    data["own"] = client_id

@events.worker_report.add_listener
def attached(client_id, data):
    note("attached", same=data["own"] == client_id, users=data["user_count"])

def take(environment, msg, **_):
    note("taken", data=msg.data)
    environment.runner.send_message("thanks", {"by": environment.runner.worker_index})

def thanked(environment, msg, **_):
    note("thanked", data=msg.data, worker=msg.node_id)

@events.test_start.add_listener
def hand_out(environment, **_):
    if not isinstance(environment.runner, WorkerRunner):
        note("workers", count=environment.runner.worker_count)
        environment.runner.send_message("names", ["ann", "bob"])
        raise LookupError("no accounts for the test")

@events.spawning_complete.add_listener
def spawned(user_count, **_):
    note("spawned", users=user_count)

@events.quitting.add_listener
def judge(environment, **_):
    if isinstance(environment.runner, WorkerRunner):
        return
    stats, runner = environment.stats, environment.runner
    note(
        "stats",
        total=stats.total.num_requests,
        failed=stats.total.num_failures,
        missing=stats.get("/missing", "GET").num_requests,
        p50=stats.total.get_response_time_percentile(0.5),
        errors=sum(error.occurrences for error in stats.errors.values()),
        state=runner.state,
    )
    if stats.total.fail_ratio > 0.001:
        environment.process_exit_code = 7
"""


class Seen(NamedTuple):
    """One run, and what its locustfile noted."""

    finished: Finished
    rows: list[dict[str, Any]]
    master: int
    """The process of the master side."""

    def on_master(self, what: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["what"] == what and row["pid"] == self.master]

    def elsewhere(self, what: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["what"] == what and row["pid"] != self.master]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("master-side")
    piswarm = Piswarm(folder)
    (folder / "own.py").write_text(USERS + OBSERVER, encoding="utf-8")
    finished = piswarm.run(piswarm.scenario(locustfile="own.py", load=LOAD, nodes={"expect": 3}))
    assert finished.status == 1, finished.output
    rows = [json.loads(line) for line in (folder / "seen.log").read_text().splitlines()]
    (master,) = {row["pid"] for row in rows if row.get("master")}
    assert left_behind(folder) == []
    yield Seen(finished, rows, master)
    piswarm.close()


def test_events_of_locusts_master_fire_once_with_its_arguments(seen: Seen) -> None:
    """What fires on Locust's master fires in one process, once, in its order and with its arguments."""
    of_run = ["init", "test_start", "spawning_complete", "test_stopping", "test_stop", "quitting", "quit"]
    order = [row["what"] for row in seen.rows if row["pid"] == seen.master and row["what"] in of_run]
    assert order == of_run
    given = {name: seen.on_master(name)[0]["given"] for name in of_run}
    assert given["init"] == ["environment", "runner", "web_ui"]
    assert given["spawning_complete"] == ["user_count"]
    assert given["quit"] == ["exit_code"]
    for name in ("test_start", "test_stopping", "test_stop", "quitting"):
        assert given[name] == ["environment"]
    assert len(seen.on_master("worker_connect")) == 3
    assert seen.on_master("workers")[0]["count"] == 3
    assert [row["users"] for row in seen.on_master("spawned")] == [4]
    assert seen.on_master("heartbeat_sent")
    assert not seen.elsewhere("worker_connect")


def test_reports_arrive_with_what_workers_attach(seen: Seen) -> None:
    """worker_report fires for each report, with what listeners of report_to_master have added to it on that worker."""
    attached = seen.on_master("attached")
    assert len(attached) == len(seen.on_master("worker_report")) >= 3
    assert all(row["same"] for row in attached)
    assert not seen.elsewhere("worker_report")


def test_messages_go_both_ways(seen: Seen) -> None:
    """A message of the master side reaches each worker, and each worker's answer reaches the master side with its sender."""
    assert [row["data"] for row in seen.elsewhere("taken")] == 3 * [["ann", "bob"]]
    thanked = seen.on_master("thanked")
    assert sorted(row["data"]["by"] for row in thanked) == [0, 1, 2]
    assert sorted(row["worker"] for row in thanked) == ["sim001_0", "sim002_0", "sim003_0"]


def test_statistics_are_the_runs_and_judge_it(seen: Seen) -> None:
    """environment.stats has the figures of the whole run at the end, and the exit code that a listener sets breaks a rule."""
    result, (stats,) = seen.finished.result, seen.on_master("stats")
    endpoints = {row["name"]: row for row in result["endpoints"]}
    assert (stats["total"], stats["failed"]) == (result["requests"]["total"], result["requests"]["failed"])
    assert stats["missing"] == stats["errors"] == endpoints["/missing"]["total"] > 0
    assert 0 <= stats["p50"] < 10_000
    assert stats["state"] == "stopped"
    (row,) = [row for row in result["thresholds"] if "process_exit_code" in row["rule"]]
    assert (row["ok"], row["observed_code"]) == (False, 7)
    assert "the locustfile set environment.process_exit_code to 7" in result["reason"]


def test_a_listener_that_raises_is_an_exception_of_the_run(seen: Seen) -> None:
    """An exception of a listener on the master side is in the result with its place, and breaks the rule on exceptions."""
    result = seen.finished.result
    (raised,) = [row for row in result["exceptions"] if row["type"] == "LookupError"]
    assert (raised["user_class"], raised["message"]) == ("listener of test_start", "no accounts for the test")
    assert raised["place"].endswith(" in hand_out")
    (row,) = [row for row in result["thresholds"] if row["rule"] == "exceptions = 0 (master side)"]
    assert (row["ok"], row["observed_count"]) == (False, 1)


def test_the_locustfile_is_imported_once_for_the_controller_and_its_output_kept(seen: Seen) -> None:
    """The locustfile is executed once in each process that needs it, one of them the master side's, whose output is kept."""
    imports = Counter(row["pid"] for row in seen.rows if row["what"] == "import")
    assert set(imports.values()) == {1}
    assert imports.keys() == {row["pid"] for row in seen.rows if row["what"] == "init"}
    assert "a word of the master side" in (seen.finished.directory / "logs" / "project.log").read_text()


ENDS = """
RUNNER = []

@events.init.add_listener
def keep(environment, **_):
    if isinstance(environment.runner, MasterRunner):
        RUNNER.append(environment.runner)

@events.spawning_complete.add_listener
def end(user_count, **_):
    gevent.spawn_later(7, over)

def over():
    if RUNNER:
        ACT

@events.test_stop.add_listener
def stopped(environment, **_):
    print("STOPPED", flush=True)
"""
LONG = [{"users": 4, "spawn_rate": 20, "hold": "60s"}]


def test_quit_on_the_master_side_is_a_normal_end(piswarm: Piswarm) -> None:
    """runner.quit() ends the run in order: it is judged by what was measured, and its reason says who ended it."""
    scenario = piswarm.scenario(locustfile="own.py", load=LONG, nodes={"expect": 1})
    (scenario.parent / "own.py").write_text(USERS + ENDS.replace("ACT", "RUNNER[0].quit()"), encoding="utf-8")
    finished = piswarm.run(scenario)
    assert finished.status == 0, finished.output
    assert "The run ended before its time: the locustfile called runner.quit() (own.py:" in finished.result["reason"]
    assert finished.result["duration_s"] < 50
    assert "STOPPED" in (finished.directory / "logs" / "project.log").read_text()


def test_a_master_side_that_ends_its_process_is_named(piswarm: Piswarm) -> None:
    """os._exit on the master side ends no controller: the run ends in order, ABORTED, with what was measured."""
    scenario = piswarm.scenario(locustfile="own.py", load=LONG, nodes={"expect": 1})
    (scenario.parent / "own.py").write_text(USERS + ENDS.replace("ACT", "os._exit(5)"), encoding="utf-8")
    finished = piswarm.run(scenario)
    assert finished.status == 4, finished.output
    assert "the locustfile ended its process on the master side: exit status 5" in finished.result["reason"]
    assert finished.result["requests"]["total"] > 0
