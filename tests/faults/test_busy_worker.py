"""L9: a worker whose users keep its event loop busy is not dead. With all of Locust's constants as they are."""

from __future__ import annotations

from itertools import pairwise

from finding import Finding
from stock_process import Command, StockProcesses

FAULT = "L9"
TITLE = "a busy worker counts as dead"
USERS = 4
BUSY_S = 6.0


def stock() -> Finding:
    with StockProcesses(1) as fleet:
        fleet.load(USERS)
        worker, master = fleet.workers[0], fleet.master
        worker.tell(Command("be busy", busy_s=BUSY_S))

        def gap() -> tuple[float, float]:
            """When the worker's longest silence began and ended."""
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


def test_stock_fails() -> None:
    assert not stock().holds
