"""L10: a worker that dies while users are still being started must be noticed at once, not when all have been started.

Stock Locust notices a loss after 4 s when it does look; here, with heartbeats every 0.2 s, after about 1 s. It gives
the first worker up after 0.4 s more, which starts the ramp in which the second one dies.
"""

from __future__ import annotations

import signal
import time

from finding import Finding
from our_run import finish, from_store, losses, running, wait_for
from stock_process import StockProcesses

from master.store import Store

FAULT = "L10"
TITLE = "nobody is missed while users ramp up"
WORKERS, USERS, SPAWN_RATE = 3, 16, 4
NOTICED_AFTER = {"HEARTBEAT_INTERVAL": 0.2, "HEARTBEAT_DEAD_INTERNAL": -2}
OUR_NODES, OUR_USERS = 4, 80
VISITOR = """
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.5)

    @task
    def visit(self):
        self.client.get("/health")
"""


def stock() -> Finding:
    with StockProcesses(WORKERS, **NOTICED_AFTER) as fleet:
        fleet.load(USERS, SPAWN_RATE)
        first, second, _ = fleet.workers
        master = fleet.master
        first.kill()
        fleet.must_come(lambda: first.now.name not in master.now.workers and master.now.state == "spawning", "a ramp")
        died_s = second.kill()
        fleet.must_come(lambda: master.now.workers.get(second.now.name, "missing") == "missing", "notice of the loss")
        noticed_s = master.now.at_s
        fleet.must_come(lambda: any(seen.state == "running" for seen in master.since(died_s)), "the end of the ramp")
        ramped_s = next(seen.at_s for seen in master.since(died_s) if seen.state == "running")
    seen = f"noticed after {noticed_s - died_s:.1f} s, with {ramped_s - died_s:.1f} s of the ramp left when it died"
    return Finding(noticed_s < ramped_s, seen)


def ours() -> Finding:
    load = [{"users": OUR_USERS, "spawn_rate": SPAWN_RATE, "hold": "1m"}]
    with running(VISITOR, load=load, nodes={"expect": OUR_NODES}) as run:
        run.wait_for("stage 1 of 1, ramp")
        racks = [process for process in run.family() if "worker.simulation.rack" in process.cmdline()]
        racks[0].kill()
        died_s = time.monotonic()
        lost = wait_for(
            lambda: next((event for event in from_store(run, losses) if event.kind == "lost"), None),
            "notice of the loss",
        )
        noticed_s = time.monotonic()
        stage = wait_for(
            lambda: from_store(run, lambda store: stage_at(store, lost.offset_s)), "the second of the loss"
        )
        run.process.send_signal(signal.SIGTERM)
        finish(run)
    left_s = OUR_USERS / SPAWN_RATE - lost.offset_s + noticed_s - died_s
    seen = f"noticed after {noticed_s - died_s:.1f} s, with {left_s:.1f} s of the ramp left when it died"
    return Finding(stage == "1 ramp", seen)


def stage_at(store: Store, offset_s: float) -> str | None:
    """Return the part of the load in which a run was at that time, or None while it is not known."""
    return next((row.stage for row in store.seconds() if row.second == int(offset_s)), None)


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
