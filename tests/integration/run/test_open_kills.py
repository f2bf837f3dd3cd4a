"""In the open model a node that dies or stands still takes only its own next arrivals with it; the sum is that of the plan."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from processes import Piswarm, Started, Target
from run_events import wait_for_event

NODES = 5
RATE_PER_S = 100
HOLD_S = 20
TOTAL = RATE_PER_S * HOLD_S
AHEAD_S = 6
"""A node is dealt arrivals so long before they are due."""
UNNOTICED_S = 5
"""A node that says nothing is lost within so long; until then it is dealt arrivals."""
UNREPORTED_S = 3
"""What a worker started in the latest seconds is not reported yet."""


def start(piswarm: Piswarm, target: Target) -> Started:
    """Start a run of five nodes, each in processes of its own."""
    file: Path = piswarm.scenario(
        load=[{"rate": f"{RATE_PER_S}/s", "hold": f"{HOLD_S}s", "max_users": 50}],
        nodes={"expect": NODES, "min": 1},
        fleet={"pi4-cooled": 1},
        thresholds=["errors <= 100 %", "missed <= 100 %"],
    )
    started = piswarm.start(file, "--separate", "--target", target.url)
    started.wait_for("stage 1 of 1, hold")
    return started


def processes_of(started: Started, number: int) -> list[psutil.Process]:
    """Return the agent and worker of the node of that number, from 0; nodes are started in order."""
    agents = [child for child in started.family()[0].children() if "worker.simulation.node" in child.cmdline()]
    agent = sorted(agents, key=lambda child: child.pid)[number]
    return [agent, *agent.children()]


@pytest.mark.timeout(240)
def test_when_a_fifth_of_the_nodes_dies_the_rest_of_the_plan_is_started_by_the_others(
    piswarm: Piswarm, target: Target
) -> None:
    """Of five nodes one dies in mid-run: started and missed are the plan's integral exactly, and lost is only what it had."""
    started = start(piswarm, target)
    for process in processes_of(started, 1):
        process.kill()
    wait_for_event(started.directory, "lost", "sim002")
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    load = finished.result["load"]
    assert load["offered"] == TOTAL
    assert load["started"] + load["missed"]["total"] == TOTAL
    assert 0 < load["missed"]["lost"] <= RATE_PER_S / NODES * (AHEAD_S + UNNOTICED_S + UNREPORTED_S)
    unreported = sum(target.counts().values()) - load["started"]
    assert 0 <= unreported <= RATE_PER_S / NODES * UNREPORTED_S


@pytest.mark.timeout(240)
def test_a_node_that_comes_back_starts_nothing_that_another_one_has_started(piswarm: Piswarm, target: Target) -> None:
    """A node stands still for some seconds, is lost and returns: what it reports then adds up with all the others to the plan."""
    started = start(piswarm, target)
    node = processes_of(started, 1)
    for process in node:
        process.suspend()
    wait_for_event(started.directory, "lost", "sim002")
    for process in node:
        process.resume()
    wait_for_event(started.directory, "returned", "sim002")
    finished = started.finish()
    assert finished.status in (0, 3), finished.output
    load = finished.result["load"]
    assert load["offered"] == TOTAL
    assert load["started"] + load["missed"]["total"] == TOTAL
    assert load["started"] == sum(target.counts().values())
    gone = load["missed"]["lost"] + load["missed"]["given_up"]
    assert 0 < gone <= RATE_PER_S / NODES * (AHEAD_S + UNNOTICED_S + UNREPORTED_S)
