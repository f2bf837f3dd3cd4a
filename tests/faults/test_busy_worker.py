"""L9: a worker whose users keep its event loop busy is not dead; shown with all of Locust's constants as they are."""

from __future__ import annotations

from itertools import pairwise

from finding import Finding
from our_run import finish, from_store, losses, running
from stock_process import Command, StockProcesses

from master.store import Store

FAULT = "L9"
TITLE = "a busy worker counts as dead"
USERS = 4
BUSY_S = 6.0
BUSY = f"""
from gevent import monkey
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.1)
    visits = 0

    @task
    def visit(self):
        self.client.get("/health")
        Visitor.visits += 1
        if Visitor.visits == 40:  # about a second after the start of {USERS} users
            monkey.get_original("time", "sleep")({BUSY_S})
"""


def stock() -> Finding:
    with StockProcesses(1) as fleet:
        fleet.load(USERS)
        worker, master = fleet.workers[0], fleet.master
        worker.tell(Command("be busy", busy_s=BUSY_S))

        def gap() -> tuple[float, float]:
            """Return when the worker's longest silence began and ended."""
            times_s = [seen.at_s for seen in worker.seen[1:]]
            return max(pairwise(times_s), key=lambda ends: ends[1] - ends[0])

        fleet.must_come(lambda: gap()[1] - gap()[0] >= BUSY_S, "the end of the busy task")
        began_s, ended_s = gap()
        fleet.must_come(lambda: master.now.at_s > ended_s, "the master's next look")
        silence = [seen for seen in master.since(began_s) if seen.at_s <= ended_s]
    missing_s = next((seen.at_s - began_s for seen in silence if "missing" in seen.workers.values()), None)
    state = silence[-1].state
    after = "never called missing" if missing_s is None else f"called missing after {missing_s:.1f} s"
    seen = f"a worker busy for {ended_s - began_s:.1f} s was {after}; the test was then {state}"
    return Finding(missing_s is None and state == "running", seen)


def ours() -> Finding:
    load = [{"users": USERS, "spawn_rate": 100, "hold": f"{BUSY_S + 3:.0f}s"}]
    with running(BUSY, load=load, nodes={"expect": 1}) as run:
        result = finish(run)
        gone = from_store(run, losses)
        seconds = from_store(run, Store.seconds)
        busy_s = max(from_store(run, Store.lag_by_second).values()) / 1000
        last_request = max(second for second, *_ in from_store(run, lambda store: list(store.requests())))
    fewest = min(row.users for row in seconds if row.steady)
    went_on = result["verdict"] != "ABORTED" and fewest == USERS and last_request > BUSY_S + 1
    lost = "never lost" if not gone else f"lost after {gone[0].offset_s:.1f} s"
    seen = f"a worker busy for {busy_s:.1f} s was {lost}; the run went on with {fewest} of {USERS} users"
    return Finding(busy_s >= BUSY_S - 0.1 and not gone and went_on, seen)


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
