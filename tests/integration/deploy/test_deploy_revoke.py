"""Nodes that are revoked in a run, between a controller and the next, in a roll-out, and beside other changes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from processes import ROOT, Piswarm, Started
from run_events import events, wait_for_event
from ssh_hosts import Rack, rack_in, wait_for
from standing_fleet import StandingFleet, plan

from master.deploy.failures import Cause
from master.deploy.host.steps import HealthCheck
from master.deploy.rollout.batches import Budget
from master.deploy.rollout.deployment import Deployment, DeploymentOptions
from master.inventory.inventory import read_inventory
from master.release.builder import Release
from master.release.platforms import Platform
from master.store import Store
from master.trust.allowlist import load_allowlist
from master.trust.changes import forget_keys, read_trust
from master.trust.state import StateDirectory

CUT_S = 5.0
NODES = 4


def fab(inventory: Path, state: Path, task: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fabric", task, *words, "--inventory", str(inventory), "--state", str(state)],
        cwd=ROOT,
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def done(process: subprocess.Popen[str], status: int = 0) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == status, output
    return output


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[StandingFleet]:
    with StandingFleet(tmp_path, 3) as started:
        yield started


def connected(fleet: StandingFleet, node: str) -> int:
    """Return how many connections a node has to the controller."""
    found = 0
    for process in fleet.family(node):
        try:
            links = process.net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        found += sum(
            link.status == psutil.CONN_ESTABLISHED and bool(link.raddr) and link.raddr.port == fleet.port
            for link in links
        )
    return found


def last_seconds(directory: Path) -> dict[str, int]:
    """Return the last second that each node measured, as far as it is known."""
    store = Store(directory / "run.db")
    try:
        rows = list(store.fitness())
    finally:
        store.close()
    return {node: max(row.second for row in rows if row.node == node) for node in {row.node for row in rows}}


def cut_off(started: Started, fleet: StandingFleet, node: str, revoke: Callable[[], object]) -> float:
    """Revoke `node`, assert that it is cut off in time, and return when, in seconds of the run."""
    assert connected(fleet, node) == 2  # its agent and its worker
    revoke()
    began_s = time.monotonic()
    event, _ = wait_for_event(started.directory, "revoked", node, CUT_S)
    # For a moment it may have one that it makes anew, until that is refused.
    wait_for(lambda: connected(fleet, node) == 0, f"{node} is cut off", CUT_S)
    assert time.monotonic() - began_s < CUT_S
    wait_for(lambda: len(fleet.family(node)) == 1, f"the workers of {node} end")
    return event.offset_s


def test_a_node_that_is_revoked_during_a_run_is_cut_off(piswarm: Piswarm, fleet: StandingFleet) -> None:
    """A node revoked in a run, or whose key is removed, is cut off within 5 s, its users move, and its reports are refused."""
    started = piswarm.start(plan(piswarm, hold="25s"), *fleet.options)
    started.wait_for("stage 1 of 1, hold")
    wait_for(lambda: {"pi2", "pi3"} <= last_seconds(started.directory).keys(), "pi2 and pi3 have reported")
    place = StateDirectory(fleet.state)
    revoked_s = cut_off(started, fleet, "pi2", lambda: done(fab(fleet.inventory, fleet.state, "revoke", "pi2")))
    removed_s = cut_off(started, fleet, "pi3", lambda: forget_keys(place, ["pi3"]))
    finished = started.finish(90)
    assert finished.status in (0, 3), finished.output
    last = last_seconds(finished.directory)
    assert last["pi2"] <= revoked_s + 1
    assert last["pi3"] <= removed_s + 1
    assert last["pi1"] > 20
    assert finished.result["unreported_workers"] == [
        "pi2_0",
        "pi3_0",
    ]  # what they had measured and not told is not in it
    drops = finished.result["dropped_messages"]
    assert drops["connection with an unknown key"] > 0
    gone = {event.node: event.detail for event in events(finished.directory) if event.kind == "gone"}
    assert gone["pi2"].startswith("it was revoked; ")


def test_a_node_that_is_revoked_before_a_run_is_resumed_is_not_let_in(piswarm: Piswarm, fleet: StandingFleet) -> None:
    """A node that is revoked before a run is resumed is not allowed, and the others go on without waiting for it."""
    started = piswarm.start(plan(piswarm, hold="20s"), *fleet.options)
    started.wait_for("stage 1 of 1, hold")
    wait_for(lambda: "pi2" in last_seconds(started.directory), "pi2 has reported")
    started.process.kill()
    started.process.wait()
    before = last_seconds(started.directory)["pi2"]
    done(fab(fleet.inventory, fleet.state, "revoke", "pi2"))
    resumed = piswarm.resume(started.directory)
    assert resumed.status in (0, 3), resumed.output
    last = last_seconds(resumed.directory)
    assert last["pi2"] == before
    assert last["pi1"] > before + 3
    assert resumed.result["dropped_messages"]["connection with an unknown key"] > 0


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rack]:
    rack = rack_in(tmp_path, monkeypatch)
    try:
        rack.add(NODES)
        yield rack
    finally:
        rack.close()


def test_enrolments_and_revocations_at_once_lose_nothing(rack: Rack) -> None:
    """Hosts that processes of `fab` enroll at once are all allowed, and revocations and enrolments at once are all carried out."""
    names = [host.name for host in rack.hosts]
    state = rack.state.directory
    for process in [fab(rack.inventory, state, "enroll", "--yes", "--limit", name) for name in names]:
        done(process)
    assert rack.deploy("one").ok  # every one of them is trusted
    assert sorted(load_allowlist(rack.state.allowlist).nodes) == names
    both = [fab(rack.inventory, state, "revoke", name) for name in names[:2]]
    both += [fab(rack.inventory, state, "enroll", "--yes", "--limit", name) for name in names[2:]]
    for process in both:
        done(process)
    trust = read_trust(rack.state)
    assert sorted(trust.allowlist.nodes) == names[2:]
    assert sorted(trust.revoked.nodes) == names[:2]
    assert [trust.known.at(f"[127.0.0.1]:{host.port}") is not None for host in rack.hosts] == [False, False, True, True]
    assert rack.deploy("one", limit=names[0]).hosts[0].cause is Cause.HOST_KEY
    done(fab(rack.inventory, state, "enroll", "--yes", "--limit", names[0]))
    assert sorted(load_allowlist(rack.state.allowlist).nodes) == [names[0], *names[2:]]


def test_a_roll_out_does_not_let_a_node_in_that_is_revoked_meanwhile(rack: Rack) -> None:
    """A node revoked while a roll-out looks at the hosts is left as it is and not let in, and the other hosts are changed."""
    rack.enroll()
    assert rack.deploy("one").ok
    revoked: list[str] = []

    def builder(platform: Platform, bases: Sequence[str]) -> Release:
        if not revoked:
            revoked.append(done(fab(rack.inventory, rack.state.directory, "revoke", "pi002")))
        return rack.build("two", platform, "", bases)

    deployment = Deployment(
        rack.fleet(),
        read_inventory(rack.inventory).hosts("workers"),
        builder,
        state=rack.state,
        options=DeploymentOptions(budget=Budget(9, is_share=False), health_check=HealthCheck(0.4, 15)),
    )
    results = {result.host: result for result in deployment.run().hosts}
    assert results["pi002"].cause is Cause.HOST_KEY
    assert "it was revoked at" in results["pi002"].message
    assert [host.runs() for host in rack.hosts] == ["two", "one", "two", "two"]
    assert sorted(load_allowlist(rack.state.allowlist).nodes) == ["pi001", "pi003", "pi004"]
