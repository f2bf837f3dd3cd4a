"""L5: a master that is started anew must take over the workers that still run, and count no worker that it does not know.

Stock workers look for a master's heartbeat for 60 s; here for 4 s. They report every 0.3 s in place of 3 s.
"""

from __future__ import annotations

from finding import Finding
from stock_process import StockProcesses
from test_kill_controller import killed_and_resumed

FAULT = "L5"
TITLE = "a restarted master orphans its workers"
WORKERS, USERS = 2, 6
ORPHANED_FOR = {"MASTER_HEARTBEAT_TIMEOUT": 4.0, "WORKER_REPORT_INTERVAL": 0.3}


def stock() -> Finding:
    with StockProcesses(WORKERS, spare_master=True, **ORPHANED_FOR) as fleet:
        fleet.load(USERS)
        died_s = fleet.master.kill()
        master = fleet.start_master()

        def taken_over() -> bool:
            return len(master.now.workers) == WORKERS

        fleet.comes(lambda: taken_over() or all(worker.ended_s for worker in fleet.workers), 15)
        known, counted = len(master.now.workers), master.now.requests
        ended_s = [worker.ended_s - died_s for worker in fleet.workers if worker.ended_s]
    ran_on = f"{len(ended_s)} of {WORKERS} ran on for {max(ended_s):.1f} s, then quit" if ended_s else "none quit"
    seen = f"the new master knew {known} of {WORKERS} workers and counted {counted} requests; {ran_on}"
    return Finding(known == WORKERS and not ended_s, seen)


def ours() -> Finding:
    return killed_and_resumed()


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
