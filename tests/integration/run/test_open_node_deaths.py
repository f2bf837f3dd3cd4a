"""Arrivals of the open model add up to the schedule's integral, exactly, when nodes die or stand still in mid-run."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from processes import Piswarm, Started, Target
from run_events import wait_for_event

from master.store import StoreReader

RATE_PER_S, RAMP_S, HOLD_S = 100, 2, 24
INTEGRAL = RATE_PER_S * RAMP_S // 2 + RATE_PER_S * HOLD_S
DEALT_AGAIN_S = 12
"""Until so long after a node is noticed to be lost arrivals may fall due that it had been dealt before."""
RETURNING_AMONG = 4
"""Nodes of the run in which one comes back."""
VISITOR = """
from locust import task
from worker.http import HttpUser

class Visitor(HttpUser):
    @task
    def health(self):
        self.client.get("/health")
"""


def nodes_of(started: Started) -> list[list[psutil.Process]]:
    """Return agent and worker of each simulated node, in the order in which they were started."""
    agents = [child for child in started.family()[0].children() if "worker.simulation.node" in child.cmdline()]
    return [[agent, *agent.children()] for agent in sorted(agents, key=lambda agent: agent.pid)]


def start(piswarm: Piswarm, target: Target, arrivals: str, nodes: int) -> tuple[Started, list[list[psutil.Process]]]:
    """Start a run of so many nodes, each in processes of its own, and wait for its hold; returns the processes of each node, too."""
    stage = {
        "rate": f"{RATE_PER_S}/s",
        "ramp": f"{RAMP_S}s",
        "hold": f"{HOLD_S}s",
        "max_users": 40,
        "arrivals": arrivals,
    }
    scenario = piswarm.scenario(
        load=[stage],
        nodes={"expect": nodes, "min": 1},
        fleet={"pi4-cooled": 1},  # alike, so that each is dealt as many arrivals as the others
        thresholds=["errors <= 100 %", "missed <= 100 %"],
    )
    (scenario.parent / "visitors.py").write_text(VISITOR)
    started = piswarm.start(scenario, "--separate", "--target", target.url)
    started.wait_for("stage 1 of 1, hold")
    processes = nodes_of(started)
    assert [len(node) for node in processes] == [2] * nodes
    return started, processes


def started_by_second(directory: Path) -> Counter[int]:
    """Return how many arrivals were started of those due in each second."""
    found: Counter[int] = Counter()
    with closing(StoreReader.open(directory / "run.db")) as store:
        for second, _, tally, _ in store.arrivals():
            found[second] += tally.started
    return found


@pytest.mark.parametrize(("arrivals", "expected", "killed"), [("even", 10, 2), ("poisson", 5, 1)])
def test_started_and_missed_add_up_to_the_integral_when_a_fifth_of_the_nodes_dies(
    piswarm: Piswarm, target: Target, arrivals: str, expected: int, killed: int
) -> None:
    """Each arrival of the schedule is started or told as lost, once; those not yet dealt go to the nodes that are left."""
    started, nodes = start(piswarm, target, arrivals, expected)
    for process in (process for node in nodes[:killed] for process in node):
        process.kill()
    lost_s = max(
        wait_for_event(started.directory, "lost", f"sim{number:03}")[0].offset_s for number in range(1, killed + 1)
    )
    finished = started.finish(timeout_s=120)
    assert finished.status in (0, 3), finished.output

    load, missed = finished.result["load"], finished.result["load"]["missed"]
    assert load["offered"] == INTEGRAL
    assert load["started"] + missed["total"] == INTEGRAL
    assert missed["total"] == missed["no_free_user"] + missed["while_unfit"] + missed["given_up"] + missed["lost"]
    # What the dead had been dealt is lost, though they had answers to some of it that they could not report.
    assert 0 < missed["lost"] < INTEGRAL * killed // expected
    counted = sum(target.counts().values())
    assert load["started"] <= counted <= load["started"] + missed["lost"]
    assert load["started"] == finished.result["requests"]["total"]
    assert finished.result["nodes"]["lost"] == killed

    by_second = started_by_second(finished.directory)
    assert sum(by_second.values()) == load["started"]
    last_s = max(by_second)
    again = [by_second[second] for second in range(int(lost_s) + DEALT_AGAIN_S, last_s - 1)]
    assert len(again) > 3, (lost_s, last_s)
    late = missed["no_free_user"] + missed["while_unfit"] + missed["given_up"]
    whole = RATE_PER_S * len(again)
    # By chance they are a few more or fewer in these seconds; evenly the edges of the span cost one of each.
    assert abs(sum(again) - whole) <= (2 if arrivals == "even" else 5 * whole**0.5) + late


def test_a_node_that_comes_back_starts_nothing_that_another_one_has_started(piswarm: Piswarm, target: Target) -> None:
    """A node stands still for some seconds, is lost and returns: what it reports then adds up with all the others to the plan."""
    started, nodes = start(piswarm, target, "even", RETURNING_AMONG)
    for process in nodes[1]:
        process.suspend()
    wait_for_event(started.directory, "lost", "sim002")
    for process in nodes[1]:
        process.resume()
    wait_for_event(started.directory, "returned", "sim002")
    finished = started.finish(timeout_s=120)
    assert finished.status in (0, 3), finished.output
    load = finished.result["load"]
    assert load["offered"] == INTEGRAL
    assert load["started"] + load["missed"]["total"] == INTEGRAL
    assert load["started"] == sum(target.counts().values())
    assert 0 < load["missed"]["lost"] + load["missed"]["given_up"] < INTEGRAL // RETURNING_AMONG
