"""L7: however long users may take to finish their tasks, the workers must still be there when they have.

Stock workers look for a master's heartbeat for 60 s; here for 2 s, with a stop timeout of 4 s. Their users pause, and so
end at once.
"""

from __future__ import annotations

from finding import Finding
from stock_process import Command, StockProcesses, users_of

FAULT = "L7"
TITLE = "a long stop timeout makes workers quit"
WORKERS, USERS = 2, 6
STOP_TIMEOUT_S = 4.0
PATIENCE = {"MASTER_HEARTBEAT_TIMEOUT": 2.0, "HEARTBEAT_INTERVAL": 0.2}


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


def test_stock_fails() -> None:
    assert not stock().holds
