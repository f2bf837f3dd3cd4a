"""L6: a node whose clock is wrong, as a Pi's without a battery is, must not change what is shown of the other nodes."""

from __future__ import annotations

import time
from contextlib import closing

from apart import apart
from collected import Collected
from finding import Finding
from our_fleet import OurFleet
from stock_fleet import StockFleet
from waiting import must_come

FAULT = "L6"
TITLE = "one wrong clock spoils the rate"
WORKERS = 5
USERS = 10
AHEAD_S = 300.0
LOAD_S = 4.0
TOLERANCE = 0.25


def stock() -> Finding:
    return apart(on_stock)


def ours() -> Finding:
    return apart(on_ours)


def on_stock() -> Finding:
    fleet = StockFleet()
    fleet.worker_process(WORKERS - 1)
    fleet.worker_process(1, ahead_s=AHEAD_S)
    must_come(lambda: fleet.connected == WORKERS, "the workers")
    fleet.master.start(USERS, 100)
    stats = fleet.master.stats
    must_come(lambda: stats.num_requests, "the first report")
    first, first_s = stats.num_requests, time.monotonic()
    must_come(lambda: time.monotonic() > first_s + LOAD_S, "the end of the load")
    true = (stats.num_requests - first) / (time.monotonic() - first_s)
    return found(true, stats.total.total_rps)


def on_ours() -> Finding:
    nodes = [f"pi{number}" for number in range(1, WORKERS + 1)]
    with closing(Collected(nodes, users=USERS, hold_s=60)) as run:
        fleet = OurFleet(WORKERS, run.collector)
        run.server = fleet.server
        run.tick_for(fleet.master)
        fleet.rack_process(nodes[:-1])
        fleet.rack_process(nodes[-1:], ahead_s=AHEAD_S)
        must_come(lambda: fleet.connected == WORKERS, "the workers")
        run.collector.begin()
        fleet.master.ramp_to(USERS, 100).join()
        full_s = run.collector.offset_s()
        must_come(lambda: run.collector.offset_s() > full_s + LOAD_S, "the end of the load")
        end_s = run.collector.offset_s()
        unreported = fleet.master.finish(5)
        assert not unreported, unreported
        run.collector.tick(0, fleet.master.acknowledge)
        counts = run.per_second()
    whole = range(int(full_s) + 1, int(end_s))
    shown = sum(counts.get(second, 0) for second in whole) / len(whole)
    return found(run.collector.requests_reported / end_s, shown)


def found(true: float, shown: float) -> Finding:
    seen = f"{shown:.1f} req/s shown of {true:.1f}, with 1 of {WORKERS} workers {AHEAD_S:.0f} s ahead"
    return Finding(abs(shown / true - 1) <= TOLERANCE, seen)


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
