"""L7: however long users may take to finish their tasks, their workers must still be there afterwards.

Stock workers look for a master's heartbeat for 60 s; here for 2 s, with a stop timeout of 4 s. Users pause, and so end
at once. Runs of piswarm stop all users in mid-run by a stage of no users, and the whole load at their end; both are
shown.
"""

from __future__ import annotations

import time

from finding import Finding
from our_run import finish, from_store, losses, running
from stock_process import Command, StockProcesses, users_of

from master.store import Store

FAULT = "L7"
TITLE = "a long stop timeout makes workers quit"
WORKERS, USERS = 2, 6
STOP_TIMEOUT_S = 4.0
PATIENCE = {"MASTER_HEARTBEAT_TIMEOUT": 2.0, "HEARTBEAT_INTERVAL": 0.2}
OUR_NODES, OUR_USERS = 4, 8
OUR_STOP_TIMEOUT_S = 55.0
"""The longest that a scenario may have."""
PAUSING = """
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(60)

    @task
    def visit(self):
        self.client.get("/health")
"""


def stock() -> Finding:
    with StockProcesses(WORKERS, stop_timeout_s=STOP_TIMEOUT_S, **PATIENCE) as fleet:
        fleet.load(USERS)
        fleet.master.tell(Command("stop"))
        fleet.must_come(lambda: users_of(fleet.workers) == 0, "the end of the users")

        def decided() -> bool:
            left = sum(worker.ended_s is None for worker in fleet.workers)
            return list(fleet.master.now.workers.values()).count("ready") == left

        fleet.must_come(lambda: not fleet.master.now.workers, "the end of the test")
        fleet.comes(decided, STOP_TIMEOUT_S + 10)
        left = sum(worker.ended_s is None for worker in fleet.workers)
    return Finding(
        left == WORKERS, f"{left} of {WORKERS} workers were left after a stop with {STOP_TIMEOUT_S:.0f} s for it"
    )


def ours() -> Finding:
    """The users of four nodes stop for longer than an agent may be silent, and the same workers must run users again."""
    load = [
        {"users": OUR_USERS, "spawn_rate": 100, "hold": "1s"},
        {"users": 0, "spawn_rate": 100, "hold": "4s"},
        {"users": OUR_USERS, "spawn_rate": 100, "hold": "5s"},
    ]
    nodes = {"expect": OUR_NODES}
    with running(PAUSING, load=load, nodes=nodes, stop_timeout=f"{OUR_STOP_TIMEOUT_S:.0f}s") as run:
        run.wait_for("stopping")
        stopped_s = time.monotonic()
        result = finish(run)
        took_s = time.monotonic() - stopped_s
        gone = from_store(run, losses)
        last = [row for row in from_store(run, Store.seconds) if row.stage == "3 hold"]
    left = min(row.ready + row.hot for row in last)
    in_order = result["verdict"] != "ABORTED" and not result["unreported_workers"] and took_s < OUR_STOP_TIMEOUT_S
    again = result["requests"]["total"] - OUR_USERS  # each user that is started makes one request, and pauses
    seen = (
        f"{left} of {OUR_NODES} workers were left after a stop with {OUR_STOP_TIMEOUT_S:.0f} s for it"
        f" and ran {again} of {OUR_USERS} users again; the end took {took_s:.1f} s"
    )
    return Finding(left == OUR_NODES and again == OUR_USERS and not gone and in_order, seen)


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
