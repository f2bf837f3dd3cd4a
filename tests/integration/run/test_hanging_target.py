"""When a target stops answering, the requests in flight count."""

from __future__ import annotations

import signal
import urllib.request
from pathlib import Path

import pytest
from processes import Piswarm, Target
from prometheus_client.parser import text_string_to_metric_families

IN_LOAD = r"stage 1 of 1, hold.*[1-9]\d* req/s"
USERS = """
from locust import FastHttpUser as TheirUser
from locust import HttpUser as TheirOtherUser
from locust import constant, task
from worker.http import HttpUser as OurUser

class Visitor({base}):
    wait_time = constant(0.1)

    @task
    def health(self):
        self.client.get("/health")
"""


def written(directory: Path, base: str) -> str:
    (directory / "users.py").write_text(USERS.format(base=base), encoding="utf-8")
    return "users.py"


@pytest.mark.parametrize("base", ["OurUser", "TheirUser", "TheirOtherUser"])
def test_a_target_that_stops_for_good_fails_the_run(
    piswarm: Piswarm, target: Target, tmp_path: Path, base: str
) -> None:
    """When a target stops for good, all users wait, nothing is refused or times out, and the run FAILs with either client."""
    scenario = piswarm.scenario(
        locustfile=written(tmp_path, base),
        load=[{"users": 8, "spawn_rate": 20, "hold": "20s"}],
        thresholds=["max < 1 s"],
        stop_timeout="2s",
    )
    started = piswarm.start(scenario, "--target", target.url)
    started.wait_for(IN_LOAD)
    target.process.send_signal(signal.SIGSTOP)
    try:
        line = started.wait_for(r"in flight 8, oldest \d+ s")
        finished = started.finish()
    finally:
        target.process.send_signal(signal.SIGCONT)

    assert "req/s" in line
    assert finished.status == 1, finished.output
    result = finished.result
    assert (result["verdict"], result["requests"]["failed"], result["requests"]["unanswered"]) == ("FAIL", 8, 8)
    assert result["in_flight"]["peak"] == 8
    assert result["in_flight"]["endpoint"] == "GET /health"
    assert result["in_flight"]["oldest_ms"] > 2000
    assert {row["rule"]: row["ok"] for row in result["thresholds"]} == {
        "max < 1 s": False,
        "errors = 0 (default)": False,
        "exceptions = 0 (default)": True,
    }
    assert "8 requests got no answer; up to 8 were in flight, the oldest for" in result["reason"]
    assert "in flight" in finished.output
    assert "Requests in flight: peak 8, oldest" in (finished.directory / "report.html").read_text(encoding="utf-8")


def test_an_abort_rule_notices_a_target_that_hangs_while_the_run_is_on(piswarm: Piswarm, target: Target) -> None:
    """An abort rule breaks by the ages of requests in flight before any has failed, and metrics show them."""
    scenario = piswarm.scenario(
        load=[{"users": 8, "spawn_rate": 20, "hold": "10m"}],
        thresholds=["p95 < 1 s over 3s, abort", "errors < 50 %"],
        stop_timeout="2s",
    )
    started = piswarm.start(scenario, "--target", target.url, "--metrics-port", "0")
    url = started.wait_for("metrics on ").split()[-1]
    started.wait_for(IN_LOAD)
    target.process.send_signal(signal.SIGSTOP)
    try:
        started.wait_for("in flight 8, oldest")
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
        finished = started.finish()
    finally:
        target.process.send_signal(signal.SIGCONT)

    gauges = {family.name: family.samples for family in text_string_to_metric_families(page)}
    assert sum(sample.value for sample in gauges["piswarm_requests_in_flight"]) == 8
    assert max(sample.value for sample in gauges["piswarm_oldest_request_seconds"]) >= 1
    assert finished.status == 1, finished.output
    assert finished.result["duration_s"] < 60
    assert "p95 < 1 s over 3s, abort" in finished.result["reason"]


def test_an_endpoint_that_hangs_for_half_of_the_users_fails_the_run_and_is_named(
    piswarm: Piswarm, target: Target, tmp_path: Path
) -> None:
    """An endpoint that hangs for half of the users FAILs the run and is named, though quick answers hide it from percentiles."""
    (tmp_path / "hanging.py").write_text(
        """
import socket
from locust import constant, task
from worker.http import HttpUser

silent = socket.create_server(("127.0.0.1", 0))  # takes connections, and answers none

class Quick(HttpUser):
    wait_time = constant(0.1)

    @task
    def health(self):
        self.client.get("/health")

class Waiting(HttpUser):
    @task
    def silent(self):
        self.client.get(f"http://127.0.0.1:{silent.getsockname()[1]}/", name="/silent")
""",
        encoding="utf-8",
    )
    scenario = piswarm.scenario(
        locustfile="hanging.py",
        users={"Quick": "= 4", "Waiting": "= 4"},
        thresholds=["p95 < 1 s"],
        stop_timeout="2s",
    )
    finished = piswarm.run(scenario, "--target", target.url)
    assert finished.status == 1, finished.output
    assert finished.result["in_flight"]["endpoint"] == "GET /silent"
    assert {row["name"]: row["failed"] for row in finished.result["endpoints"]} == {"/health": 0, "/silent": 4}
