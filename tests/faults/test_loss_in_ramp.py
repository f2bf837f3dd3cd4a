"""L10: a worker that dies while users are still being started must be noticed then, not when all have been started.

Stock Locust notices a loss after 4 s when it does look, here, with heartbeats every 0.2 s, after about 1 s; and it gives
the first worker up after 0.4 s more, which starts the ramp in which the second one dies.
"""

from __future__ import annotations

from finding import Finding
from stock_process import StockProcesses

FAULT = "L10"
TITLE = "nobody is missed while users ramp up"
WORKERS, USERS, SPAWN_RATE = 3, 16, 4
NOTICED_AFTER = {"HEARTBEAT_INTERVAL": 0.2, "HEARTBEAT_DEAD_INTERNAL": -2}


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


def test_stock_fails() -> None:
    assert not stock().holds
