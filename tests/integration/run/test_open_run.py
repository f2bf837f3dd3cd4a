"""Arrivals of the open model add up to the schedule, whatever happens to the controller, the fleet or its users in mid-run."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

from processes import Piswarm, Target
from run_events import events

from master.store.reader import StoreReader

RATE_PER_S = 100
HOLD_S = 9
RAMP_S = 2
TOTAL = RATE_PER_S * HOLD_S + RATE_PER_S * RAMP_S // 2

VISITORS = """
from locust import task
from worker.http import HttpUser

class Visitor(HttpUser):
    @task
    def health(self):
        self.client.get("/health")
"""


def scenario(piswarm: Piswarm, **changes: Any) -> Path:
    """A run of three nodes that are offered TOTAL arrivals."""
    stage = {"rate": f"{RATE_PER_S}/s", "ramp": f"{RAMP_S}s", "hold": f"{HOLD_S}s", "max_users": 30}
    file = piswarm.scenario(
        **{
            "load": [stage],
            "nodes": {"expect": 3, "min": 1},
            "fleet": {"pi4-cooled": 1},
            "thresholds": ["errors <= 100 %", "missed <= 100 %"],
        }
        | changes
    )
    (file.parent / "visitors.py").write_text(VISITORS)
    return file


def assert_sums(result: dict[str, Any], target: Target, total: int = TOTAL) -> None:
    """Assert that every arrival of the plan was counted once, and that each one that was started is a request at the target."""
    load = result["load"]
    assert load["offered"] == total
    assert load["started"] + load["missed"]["total"] == total
    assert load["started"] == result["requests"]["total"] == sum(target.counts().values())


def test_all_arrivals_of_the_plan_are_started_and_counted(piswarm: Piswarm, target: Target) -> None:
    """On a fleet that is left alone every arrival is started, and each is one request at the target."""
    finished = piswarm.run(scenario(piswarm), "--target", target.url)
    assert finished.status in (0, 3), finished.output
    assert_sums(finished.result, target)
    assert finished.result["load"]["missed"]["lost"] == 0
    assert finished.result["load"]["start_skew_ms"] is not None
    # The process that listens at the URL is found, and asked for nothing that no rule is on.
    figures = finished.result["target_figures"]
    assert figures["memory_peak_bytes"] > 1 << 20
    assert figures["cache_hits"] is None


def test_a_run_whose_controller_was_killed_offers_the_rest_of_its_plan(piswarm: Piswarm, target: Target) -> None:
    """Another controller deals the arrivals that were not dealt, and none a second time; the sum is that of the plan."""
    started = piswarm.start(scenario(piswarm), "--target", target.url)
    started.wait_for("stage 1 of 1, hold")
    command = started.family()[0]
    time.sleep(2.5)  # anywhere between two deals
    command.kill()
    started.process.communicate()
    finished = piswarm.resume(started.directory)
    assert finished.status in (0, 3), finished.output
    assert_sums(finished.result, target)
    assert finished.result["load"]["missed"]["lost"] == 0
    assert [event.kind for event in events(started.directory)][:2] == ["controller lost", "resumed"]


def test_stages_may_differ_in_how_many_users_may_be_busy(piswarm: Piswarm, target: Target) -> None:
    """Users are there when a stage that needs more of them begins, and stay until their arrivals have been due when one needs fewer."""
    stages = [
        {"rate": "50/s", "hold": "8s", "max_users": 6},
        {"rate": "150/s", "hold": "8s", "max_users": 30, "arrivals": "poisson"},
        {"rate": "50/s", "hold": "8s", "max_users": 6},
    ]
    finished = piswarm.run(scenario(piswarm, load=stages), "--target", target.url)
    assert finished.status in (0, 3), finished.output
    assert_sums(finished.result, target, total=8 * (50 + 150 + 50))
    assert finished.result["users"]["peak"] == 30


def test_arrivals_add_up_on_nodes_with_processes_of_their_own(piswarm: Piswarm, target: Target) -> None:
    finished = piswarm.run(scenario(piswarm), "--target", target.url, "--separate")
    assert finished.status in (0, 3), finished.output
    assert_sums(finished.result, target)


SLOW_TO_BEGIN = VISITORS.replace("    @task", "    def on_start(self):\n        gevent.sleep(8)\n\n    @task").replace(
    "from locust", "import gevent\nfrom locust"
)


def test_the_plan_starts_when_the_users_are_ready(piswarm: Piswarm, target: Target) -> None:
    """Users that take long to begin, to sign in say, have begun before the first arrival is due: it is no fault of the target."""
    file = scenario(piswarm)
    (file.parent / "visitors.py").write_text(SLOW_TO_BEGIN)
    finished = piswarm.run(file, "--target", target.url)
    assert finished.status in (0, 3), finished.output
    assert_sums(finished.result, target)
    with closing(StoreReader.open(finished.directory / "run.db")) as store:
        first = min(row.second for row in store.seconds() if row.offered)
    assert first >= 8
