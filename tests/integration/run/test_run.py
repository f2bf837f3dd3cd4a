"""`piswarm run` as a user calls it, with real processes, a real wire and a real target."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import urllib.request
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from collector import Collector
from processes import Piswarm, Target
from prometheus_client.parser import text_string_to_metric_families

from master.run.processes.local import OUTLIVE_S

IN_LOAD = r"stage 1 of 1, hold"
FLEET = {"expect": 4}


def test_what_the_result_counts_is_what_the_target_counted(piswarm: Piswarm, target: Target) -> None:
    """The result has the target's own counts of requests and failures at every endpoint: none is lost or counted twice."""
    finished = piswarm.run(piswarm.scenario(nodes=FLEET), "--target", target.url)

    assert finished.status == 0, finished.output
    result = finished.result
    counted = target.counts()
    assert result["requests"]["total"] == sum(counted.values()) > 200
    assert result["requests"]["failed"] == sum(count for (_, _, status), count in counted.items() if status >= 400) > 0
    by_route = Counter[str]()
    for (_, route, _), count in counted.items():
        by_route[route] += count
    by_name = {row["name"]: row["total"] for row in result["endpoints"]}
    assert by_name == {"/health": by_route["/health"], "/missing": by_route["unmatched"]}


def test_a_run_leaves_its_directory_complete(piswarm: Piswarm) -> None:
    """All files of a run are there, agree, and can be read by the programs that read such files."""
    finished = piswarm.run(piswarm.scenario(nodes=FLEET))

    result = finished.result
    assert (finished.status, result["verdict"], result["schema"]) == (0, "PASS", "piswarm/result/2")
    assert 0 < result["nodes"].pop("ready_s") < 60
    assert result["nodes"] == {
        "expected": 4,
        "peak": 4,
        "lost": 0,
        "quarantined": 0,
        "simulated": True,
        "thermal_speed": 1.0,
        "request_cpu_ms": None,
    }
    assert result["users"] == {"target": 8, "peak": 8}
    assert result["unreported_workers"] == []
    assert result["excluded"] == []
    assert {row["check"]: row["ok"] for row in result["validity"]} == dict.fromkeys(
        [
            "loop_lag_p99",
            "worker_cpu",
            "node_cpu",
            "node_memory",
            "node_temperature",
            "throttling",
            "under_voltage",
            "controller_cpu",
            "clock_error",
            "missing_samples",
            "nodes",
            "excluded_share",
            "users",
            "local_errors",
            "latency_error",
            "doubtful_thresholds",
        ],
        True,
    )
    assert "PASS" in finished.output
    assert "report.html" in finished.output
    suites = ET.parse(finished.directory / "junit.xml").getroot()
    assert not suites.findall(".//failure")
    assert "PASS" in (finished.directory / "report.html").read_text()
    again = piswarm.run(finished.directory / "scenario.yml")
    assert again.status == 0, again.output
    with sqlite3.connect(finished.directory / "run.db") as database:
        assert database.execute("SELECT sum(total) FROM requests").fetchone()[0] == result["requests"]["total"]
        per_node = dict(database.execute("SELECT name, count(*) FROM samples JOIN nodes ON id = node GROUP BY name"))
    database.close()
    assert per_node.keys() == {"sim001", "sim002", "sim003", "sim004", "controller"}
    assert min(per_node.values()) >= 4


def test_a_broken_threshold_fails_the_run(piswarm: Piswarm) -> None:
    """A broken threshold ends with exit status 1 and is named on the screen, in the result and in junit.xml."""
    rule = "GET /health rate > 100000/s"  # latencies may be doubtful on a busy machine, and the run INVALID then
    finished = piswarm.run(piswarm.scenario(thresholds=[rule, "errors < 50 %"]))

    assert finished.status == 1, finished.output
    assert finished.result["verdict"] == "FAIL"
    assert {row["rule"]: row["ok"] for row in finished.result["thresholds"]} == {
        rule: False,
        "errors < 50 %": True,
        "exceptions = 0 (default)": True,
    }
    assert rule in finished.output
    failures = ET.parse(finished.directory / "junit.xml").getroot().findall(".//failure")
    assert len(failures) == 1


def test_a_rule_that_aborts_ends_the_run_before_its_time(piswarm: Piswarm) -> None:
    """A rule that aborts ends the run before the end of its stage with the verdict FAIL."""
    finished = piswarm.run(
        piswarm.scenario(
            thresholds=["errors < 1 % over 2s, abort"], load=[{"users": 8, "spawn_rate": 20, "hold": "10m"}]
        )
    )

    assert finished.status == 1, finished.output
    assert finished.result["verdict"] == "FAIL"
    assert finished.result["duration_s"] < 60


def test_a_threshold_on_an_endpoint_that_never_appeared_does_not_pass(piswarm: Piswarm) -> None:
    """A threshold on an endpoint that never appeared, as a misspelt one, does not hold."""
    finished = piswarm.run(piswarm.scenario(thresholds=["GET /helth p95 < 1 s"]))

    assert finished.status == 1
    assert "GET /helth was never requested" in finished.result["thresholds"][0]["message"]


def test_a_starved_generator_makes_the_run_invalid(piswarm: Piswarm) -> None:
    """A generator whose CPU is taken away makes the run INVALID with exit status 3, and its figures are shown."""
    started = piswarm.start(
        piswarm.scenario(
            load=[{"users": 8, "spawn_rate": 20, "hold": "8s"}],
            nodes=FLEET,
            validity={"loop_lag_p99": "50 ms", "controller_cpu": "100 %", "excluded_share": "5 %"},
        )
    )
    started.wait_for(IN_LOAD)
    racks = [process for process in started.family() if "worker.simulation.rack" in process.cmdline()]
    with robbed_of_cpu(racks):
        started.wait_for("stopping")
    finished = started.finish()

    assert finished.status == 3, finished.output
    result = finished.result
    assert result["verdict"] == "INVALID"
    checks = {row["check"]: row for row in result["validity"]}
    assert not checks["loop_lag_p99"]["ok"]
    assert checks["loop_lag_p99"]["nodes"] == ["sim001", "sim002", "sim003", "sim004"]
    assert result["excluded_share"] > 0.05
    assert result["latency_all_ms"]["p50"] is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_in_order(piswarm: Piswarm, target: Target, number: signal.Signals) -> None:
    """An interrupted run ends with exit status 4 and a report, loses no request and leaves no process."""
    started = piswarm.start(
        piswarm.scenario(load=[{"users": 8, "spawn_rate": 20, "hold": "10m"}]), "--target", target.url
    )
    started.wait_for(IN_LOAD)
    family = started.family()
    started.process.send_signal(number)
    finished = started.finish()

    assert finished.status == 4, finished.output
    assert finished.result["verdict"] == "ABORTED"
    assert "interrupted" in finished.result["reason"]
    assert finished.result["requests"]["total"] == sum(target.counts().values()) > 0
    assert "ABORTED" in (finished.directory / "report.html").read_text()
    assert_gone(family)


def test_interrupting_before_the_load_ends_in_order_too(piswarm: Piswarm) -> None:
    """Ctrl-C while nodes are still starting ends the run as in order as later."""
    started = piswarm.start(piswarm.scenario())
    started.wait_for("waiting for nodes")
    family = started.family()
    started.process.send_signal(signal.SIGINT)
    finished = started.finish()

    assert finished.status == 4, finished.output
    assert finished.result["verdict"] == "ABORTED"
    assert_gone(family)


def test_interrupting_twice_ends_at_once_and_says_how_to_go_on(piswarm: Piswarm) -> None:
    """A second Ctrl-C ends everything at once, without a result, and names the command that goes on with the run."""
    started = piswarm.start(piswarm.scenario(load=[{"users": 8, "spawn_rate": 20, "hold": "10m"}]))
    started.wait_for(IN_LOAD)
    family = started.family()
    for process in family:
        if "worker.simulation.rack" in process.cmdline():
            process.suspend()  # so that its final reports do not come, and the run does not end in order meanwhile
    started.process.send_signal(signal.SIGINT)
    started.wait_for("stopping")
    started.process.send_signal(signal.SIGINT)
    finished = started.finish()

    assert finished.status == 4, finished.output
    assert "interrupted again" in finished.output
    assert f"piswarm resume {finished.directory}" in finished.output
    assert not (finished.directory / "result.json").exists()
    assert_gone(family)


def test_a_killed_controller_leaves_no_process_behind(piswarm: Piswarm) -> None:
    """The processes of a killed controller wait for another controller for a while, and then end by themselves."""
    started = piswarm.start(piswarm.scenario(load=[{"users": 8, "spawn_rate": 20, "hold": "10m"}]))
    started.wait_for(IN_LOAD)
    family = started.family()
    assert len(family) >= 4  # the command, the target, the agent, and a rack at least
    started.process.kill()
    started.process.communicate()

    assert_gone(family, timeout_s=OUTLIVE_S + 30)


def test_a_rack_that_dies_is_seen_and_said(piswarm: Piswarm) -> None:
    """When one rack of simulated nodes dies, its nodes are lost, and the run goes on and is INVALID."""
    started = piswarm.start(
        piswarm.scenario(nodes={"expect": 40}, load=[{"users": 40, "spawn_rate": 100, "hold": "15s"}])
    )
    started.wait_for(IN_LOAD)
    racks = [process for process in started.family() if "worker.simulation.rack" in process.cmdline()]
    assert len(racks) >= 2 or len(os.sched_getaffinity(0)) < 2
    racks[0].kill()
    finished = started.finish()

    if len(racks) == 1:
        assert finished.status == 4
        return
    assert finished.status == 3, finished.output
    assert finished.result["nodes"]["lost"] == 40 // len(racks)
    nodes = next(row for row in finished.result["validity"] if row["check"] == "nodes")
    assert not nodes["ok"]
    assert len(nodes["nodes"]) == finished.result["nodes"]["lost"]
    with sqlite3.connect(finished.directory / "run.db") as database:
        kinds = Counter(kind for (kind,) in database.execute("SELECT kind FROM events"))
    database.close()
    assert kinds["process ended"] == 1
    assert kinds["lost"] == finished.result["nodes"]["lost"]


@contextmanager
def robbed_of_cpu(processes: list[psutil.Process]) -> Iterator[None]:
    """Give the processes no CPU for 150 ms out of every 200 while the block lasts."""
    over = threading.Event()

    def rob() -> None:
        while not over.is_set():
            for process in processes:
                process.suspend()
            over.wait(0.15)
            for process in processes:
                process.resume()
            over.wait(0.05)

    robber = threading.Thread(target=rob)
    robber.start()
    try:
        yield
    finally:
        over.set()
        robber.join()


def assert_gone(family: list[psutil.Process], timeout_s: float = 20) -> None:
    _, alive = psutil.wait_procs(family, timeout=timeout_s)
    assert not alive


def test_prometheus_can_follow_a_run(piswarm: Piswarm) -> None:
    """Metrics have a port of their own on request, and their counts are those of the result; a collector gets the same ones."""
    scenario = piswarm.scenario(load=[{"users": 4, "spawn_rate": 20, "hold": "12s"}])
    with Collector() as collector:
        started = piswarm.start(scenario, "--metrics-port", "0", "--metrics-otlp", collector.url)
        url = started.wait_for("metrics on ").split()[-1]
        started.wait_for("stage 1 of 1, hold")
        started.wait_for("stage 1 of 1, hold")
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
        started.wait_for("stage 1 of 1, hold")
    assert {"piswarm_users", "piswarm_requests", "piswarm_latency_seconds", "piswarm_node_state"} <= collector.metrics
    families = {family.name: family for family in text_string_to_metric_families(page)}
    counted = {tuple(sample.labels.values()): sample.value for sample in families["piswarm_requests"].samples}
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    totals = {(row["method"], row["name"]): row["total"] for row in finished.result["endpoints"]}
    assert counted.keys() == totals.keys()
    assert all(0 < count <= totals[endpoint] for endpoint, count in counted.items())
    (users,) = families["piswarm_users"].samples
    assert users.value == 4
