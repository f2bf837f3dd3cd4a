"""L3: when a worker dies, its users must soon run elsewhere, and no other users be touched.

Stock Locust gives a worker up after 64 s; here, with heartbeats every 0.2 s, after about 3 s.
"""

from __future__ import annotations

import time

from finding import Finding
from kills import kill_nodes
from stock_process import StockProcesses, users_of

FAULT = "L3"
TITLE = "a dead worker restarts the whole ramp"
WORKERS, USERS, SPAWN_RATE = 3, 15, 5
GIVEN_UP_AFTER = {"HEARTBEAT_INTERVAL": 0.2, "HEARTBEAT_DEAD_INTERNAL": -10}


def stock() -> Finding:
    with StockProcesses(WORKERS, **GIVEN_UP_AFTER) as fleet:
        fleet.load(USERS, SPAWN_RATE)
        dying, *survivors = fleet.workers
        kept = users_of(survivors)
        died_s = dying.kill()
        fleet.must_come(lambda: users_of(survivors) != kept, "what becomes of the users")
        fewer_for_s = time.monotonic() - died_s
        fleet.comes(lambda: users_of(survivors) == USERS, 15)
        whole_after_s = time.monotonic() - died_s
        lowest = sum(min(seen.users for seen in worker.since(died_s)) for worker in survivors)
        restored = users_of(survivors) == USERS
    again = f"{USERS} again after {whole_after_s:.1f} s" if restored else f"never {USERS} again"
    seen = f"{USERS} users fell to {kept} for {fewer_for_s:.1f} s, then to {lowest} in all, {again}"
    return Finding(lowest >= kept and restored, seen)


def ours() -> Finding:
    """Kill one node of the fleet, with its agent and worker."""
    return kill_nodes(WORKERS, 1)


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
