"""`piswarm run --inventory` on agents that wait for runs: run after run, lost nodes and controllers, and wrong input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Finished, Piswarm
from run_events import events, users_over_time, wait_for_event
from standing_fleet import StandingFleet, plan

from master.store import Store

NODES = 2


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[StandingFleet]:
    with StandingFleet(tmp_path, NODES) as started:
        yield started


def workers_of(finished: Finished) -> set[str]:
    store = Store(finished.directory / "run.db")
    try:
        return {f"{row.node}_{row.worker}" for row in store.fitness()}
    finally:
        store.close()


def test_agents_wait_for_one_run_after_the_other(piswarm: Piswarm, fleet: StandingFleet) -> None:
    """Agents take part in run after run as real nodes, get the locustfile with each run, and have no worker between two."""
    for _ in range(2):
        finished = piswarm.start(plan(piswarm), *fleet.options).finish(90)
        assert finished.status == 0, finished.output
        result = finished.result
        assert result["verdict"] == "PASS"
        assert result["nodes"]["expected"] == result["nodes"]["peak"] == NODES
        assert result["nodes"]["simulated"] is False
        assert result["users"]["peak"] == 6
        assert result["requests"]["total"] > 200
        assert result["unreported_workers"] == []
        assert workers_of(finished) == {"pi1_0", "pi2_0"}
        fleet.wait_until_idle()


def test_a_node_has_as_many_workers_as_the_inventory_says_and_carries_what_it_weighs(
    piswarm: Piswarm, tmp_path: Path
) -> None:
    """A node has the number of workers of its inventory, and a node of weight four carries four times the users of weight one."""
    variables = {"pi1": {"piswarm_weight": 4}, "pi2": {"piswarm_weight": 1, "piswarm_workers": 2}}
    with StandingFleet(tmp_path, 2, variables) as fleet:
        finished = piswarm.start(plan(piswarm, users=10), *fleet.options).finish(90)
    assert finished.status == 0, finished.output
    assert workers_of(finished) == {"pi1_0", "pi2_0", "pi2_1"}
    store = Store(finished.directory / "run.db")
    try:
        most: dict[str, int] = {}
        for row in store.fitness():
            name = f"{row.node}_{row.worker}"
            most[name] = max(most.get(name, 0), row.users or 0)
    finally:
        store.close()
    assert most == {"pi1_0": 8, "pi2_0": 1, "pi2_1": 1}


def test_a_node_that_loses_its_power_comes_back_into_the_run(piswarm: Piswarm, fleet: StandingFleet) -> None:
    """A node that loses its power loses its users to others; once its agent is started again, it gets its assignment again."""
    started = piswarm.start(plan(piswarm, hold="25s"), *fleet.options)
    started.wait_for("stage 1 of 1, hold")
    fleet.kill("pi2")
    wait_for_event(started.directory, "lost", "pi2")
    fleet.start(["pi2"])
    event, _ = wait_for_event(started.directory, "returned", "pi2")
    finished = started.finish(90)
    assert finished.status in (0, 3), finished.output
    assert finished.result["nodes"]["lost"] == 1
    users = users_over_time(finished.directory)
    assert [users.get(second) for second in range(int(event.offset_s) + 5, max(users) - 2)].count(6) > 3
    fleet.wait_until_idle()


def test_another_controller_goes_on_with_a_run(piswarm: Piswarm, fleet: StandingFleet) -> None:
    """When another controller resumes a run, the nodes still have the reports not acknowledged before, and are idle
    after the run.
    """
    started = piswarm.start(plan(piswarm, hold="15s"), *fleet.options)
    started.wait_for("stage 1 of 1, hold")
    started.process.kill()
    started.process.wait()
    resumed = piswarm.resume(started.directory)
    assert resumed.status in (0, 3), resumed.output
    assert resumed.result["unreported_workers"] == []
    assert resumed.result["nodes"]["peak"] == NODES
    fleet.wait_until_idle()


def test_workers_of_a_run_whose_controller_was_killed_are_no_part_of_the_next(
    piswarm: Piswarm, fleet: StandingFleet
) -> None:
    """Agents end the workers of a killed controller's run when another run begins, and none of their measurements is in it."""
    broken_off = piswarm.start(plan(piswarm, hold="60s"), *fleet.options)
    broken_off.wait_for("stage 1 of 1, hold")
    broken_off.process.kill()
    broken_off.process.wait()
    finished = piswarm.start(plan(piswarm, users=3), *fleet.options).finish(90)
    assert finished.status == 0, finished.output
    assert finished.result["users"]["peak"] == 3
    # The agent of this machine that the first controller had, with keys of that run alone, still looks for it.
    assert set(finished.result["dropped_messages"]) <= {"worker of another run", "connection with an unknown key"}
    fleet.wait_until_idle()


@pytest.mark.parametrize("nodes", [["pi1", "pi2"], ["pi1"]], ids=["same nodes", "some of the nodes"])
def test_a_run_is_resumed_after_another_one_of_the_same_fleet(
    piswarm: Piswarm, fleet: StandingFleet, nodes: list[str]
) -> None:
    """The other run refuses the agent of the first controller's machine, and nodes outside of its limit: they come back nevertheless.

    It ends the workers of its own nodes; what these had not reported is lost, which the result says. Others keep it.
    """
    broken_off = piswarm.start(plan(piswarm, hold="10s", nodes={"expect": NODES, "wait": "30s"}), *fleet.options)
    broken_off.wait_for("stage 1 of 1, hold")
    broken_off.process.kill()
    broken_off.process.wait()
    between = piswarm.start(plan(piswarm, users=2), *fleet.options, "--limit", ",".join(nodes)).finish(90)
    assert between.status == 0, between.output
    assert between.result["dropped_messages"]["connection with an unknown key"] > 0
    resumed = piswarm.resume(broken_off.directory)
    assert resumed.status in (0, 3), resumed.output
    assert resumed.result["nodes"]["peak"] == NODES
    assert resumed.result["unreported_workers"] == [f"{node}_0" for node in nodes]
    assert "process ended" not in {event.kind for event in events(resumed.directory)}
    fleet.wait_until_idle()


def test_a_locust_file_that_a_node_cannot_run_is_told_with_its_last_words(
    piswarm: Piswarm, fleet: StandingFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A locustfile that fails on nodes, as for want of an environment variable, aborts the run with the worker's last output."""
    monkeypatch.setenv("ONLY_HERE", "x")
    file = plan(piswarm, nodes={"expect": NODES, "min": 1, "wait": "10s"})
    locustfile = tmp_path / "visitors.py"
    locustfile.write_text("import os\nKEY = os.environ['ONLY_HERE']\n" + locustfile.read_text())
    finished = piswarm.start(file, *fleet.options).finish(90)
    assert finished.status == 4, finished.output
    assert "KeyError: 'ONLY_HERE'" in finished.output
    fleet.wait_until_idle()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--local", "3"], "--inventory and --local exclude each other"),
        (["--separate"], "--inventory and --separate exclude each other"),
        (["--limit", "pi7"], "pi7"),
        (["--limit", ","], "empty term"),
        (["--state", "elsewhere"], "pi1, pi2 not enrolled"),
    ],
)
def test_wrong_input_starts_nothing(piswarm: Piswarm, tmp_path: Path, options: list[str], says: str) -> None:
    fleet = StandingFleet(tmp_path, NODES)
    finished = piswarm.start(plan(piswarm), *fleet.options, *options).finish()
    assert finished.status == 2, finished.output
    assert says in " ".join(finished.output.split())
    assert not finished.directory.exists()


def test_nodes_that_know_no_controller_or_different_ones_are_refused(piswarm: Piswarm, tmp_path: Path) -> None:
    fleet = StandingFleet(tmp_path, 3, {"pi3": {"piswarm_controller": "127.0.0.2"}})
    finished = piswarm.start(plan(piswarm), *fleet.options).finish()
    assert finished.status == 2
    assert "different addresses" in finished.output
    content = json.loads(fleet.inventory.read_text())
    del content["workers"]["vars"]["piswarm_controller"]
    fleet.inventory.write_text(json.dumps(content))
    finished = piswarm.start(plan(piswarm), *fleet.options).finish()
    assert finished.status == 2
    assert "no piswarm_controller for pi1, pi2" in finished.output
