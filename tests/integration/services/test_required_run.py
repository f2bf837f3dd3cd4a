"""A scenario that requires services: what a real run makes of them before the load, and while it is on."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from database_servers import Redis
from free_ports import free_ports
from processes import LOCUSTFILE, ROOT, Piswarm, Target
from run_events import wait_for_event

SERVICES = ROOT / "configs" / "services"
FROM = ("--services", str(SERVICES))


def held(hold: str) -> dict[str, Any]:
    """Changes of a scenario: a small load that requires the database."""
    return {
        "require": ["database"],
        "load": [{"users": 2, "spawn_rate": 20, "hold": hold}],
        "nodes": {"expect": 1},
    }


def test_a_run_whose_services_stay_healthy_passes(piswarm: Piswarm) -> None:
    """Those of the embedded target are asked at the target that the run itself has started."""
    scenario = piswarm.scenario(require=["auth-service"], nodes={"expect": 2})
    finished = piswarm.run(scenario, "--require", "database", *FROM)
    rows = {row["rule"]: row for row in finished.result["thresholds"]}
    assert rows["require auth-service"]["ok"], finished.output
    assert rows["require database"]["observed_text"] == "healthy throughout"
    assert "require:\n- auth-service\n- database\n" in (finished.directory / "scenario.yml").read_text()


def test_a_run_whose_service_is_not_healthy_does_not_start(
    monkeypatch: pytest.MonkeyPatch, piswarm: Piswarm, target: Target
) -> None:
    """It ends as aborted with the service's name, and the target has seen nothing but the questions for its health."""
    monkeypatch.setenv("PISWARM_REDIS_URL", f"redis://127.0.0.1:{free_ports()}")
    finished = piswarm.run(piswarm.scenario(require=["database"]), "--target", target.url, *FROM)
    assert finished.status == 4, finished.output
    assert finished.result["verdict"] == "ABORTED"
    assert "required and not healthy: database (redis: redis://127.0.0.1:" in finished.result["reason"]
    assert finished.result["requests"]["total"] == 0
    assert {route for _, route, _ in target.counts()} <= {"/health"}


def test_a_service_that_is_lost_is_noted_and_named_in_the_verdict_of_a_run_that_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, piswarm: Piswarm, target: Target
) -> None:
    """By its name, with what it stands on, and when; so is its return. The run goes on meanwhile."""
    with Redis() as server:
        monkeypatch.setenv("PISWARM_REDIS_URL", server.url)
        started = piswarm.start(piswarm.scenario(**held("60s")), "--target", target.url, *FROM)
        started.wait_for("stage 1 of 1, hold")
        server.stop()
        event, _ = wait_for_event(started.directory, "service lost", None)
        server.start()
        wait_for_event(started.directory, "service returned", None)
        started.process.send_signal(signal.SIGINT)
        finished = started.finish()
    assert event.detail.startswith("database (redis: ")
    assert finished.status == 4, finished.output
    assert "interrupted" in finished.result["reason"]
    assert "A required service was lost: database (redis: " in finished.result["reason"]
    assert "and back at" in finished.result["reason"]


def test_a_run_that_is_resumed_goes_on_to_watch(
    monkeypatch: pytest.MonkeyPatch, piswarm: Piswarm, target: Target, tmp_path: Path
) -> None:
    """What was lost before the controller was killed makes it FAIL; the files are where they are looked for by default."""
    shutil.copytree(SERVICES, tmp_path / "configs" / "services")
    with Redis() as server:
        monkeypatch.setenv("PISWARM_REDIS_URL", server.url)
        started = piswarm.start(piswarm.scenario(**held("9s")), "--target", target.url)
        started.wait_for("stage 1 of 1, hold")
        server.stop()
        wait_for_event(started.directory, "service lost", None)
        psutil.Process(started.process.pid).kill()
        started.process.communicate()
        server.start()
        finished = piswarm.resume(started.directory)
    (row,) = [row for row in finished.result["thresholds"] if row["rule"] == "require database"]
    assert row["ok"] is False, finished.output
    assert "and back at" in row["message"]
    assert finished.status == 1, finished.output
    assert finished.result["verdict"] == "FAIL"
    assert "require database" in finished.result["reason"]


def test_requirements_that_can_not_be_met_are_wrong_input(piswarm: Piswarm) -> None:
    """All are named at once; nothing is started, and there is no run directory."""
    finished = piswarm.run(piswarm.scenario(require=["databse", "redis", "tron-payment"]), *FROM)
    assert finished.status == 2, finished.output
    said = " ".join(finished.output.split())
    for words in (
        "did you mean 'database'?",
        "PISWARM_REDIS_URL, its URL, is not set",
        "no performance test may have to do with",
    ):
        assert words in said
    assert not finished.directory.exists()


def test_a_public_node_of_the_payment_network_is_never_a_target(piswarm: Piswarm) -> None:
    """Neither in the scenario nor on the command line, and without any description of services."""
    finished = piswarm.run(piswarm.scenario(), "--target", "https://nile.trongrid.io")
    assert finished.status == 2, finished.output
    assert "payment is never put under load" in " ".join(finished.output.split())


def test_a_locustfile_that_names_the_payment_service_is_refused(
    monkeypatch: pytest.MonkeyPatch, piswarm: Piswarm, tmp_path: Path
) -> None:
    """At its line, before anything is started; the service is known from the environment."""
    monkeypatch.setenv("PISWARM_TRON_URL", "http://127.0.0.1:9")
    scenario = piswarm.scenario()
    (tmp_path / "visitors.py").write_text(
        f"{LOCUSTFILE}\n    @task\n    def pay(self):\n        self.client.get('http://localhost:9/pay')\n"
    )
    finished = piswarm.run(scenario, *FROM)
    assert finished.status == 2, finished.output
    line = LOCUSTFILE.count("\n") + 4
    assert f"visitors.py:{line}: localhost:9 is the payment service 'tron-payment'" in finished.output
    assert not finished.directory.exists()
