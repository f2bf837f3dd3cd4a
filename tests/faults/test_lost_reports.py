"""L13: what a worker measured must be counted, although the wire broke while a report was on its way."""

from __future__ import annotations

import time

import gevent
from apart import apart
from finding import Finding
from locust import events
from our_fleet import OurFleet
from relay import Relay
from stock_fleet import StockFleet
from waiting import comes, must_come

from worker.load import runner

FAULT = "L13"
TITLE = "a report sent is a report forgotten"
USERS = 5
REPORT_INTERVAL_S = 1.0
SWALLOW_S = 2.5
"""How long the wire takes in everything and passes on nothing; two reports at least fall into it."""


class Made:
    """How many requests the users have made."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, **_: object) -> None:
        self.count += 1


def stock() -> Finding:
    return apart(on_stock)


def ours() -> Finding:
    return apart(on_ours)


def on_stock() -> Finding:
    fleet, made = StockFleet(), Made()
    wire = Relay(fleet.port)
    fleet.worker(wire.port).events.request.add_listener(made.add)
    must_come(lambda: fleet.connected == 1, "the worker")
    stats = fleet.master.stats
    gevent.spawn(fleet.master.start, USERS, 100)
    must_come(lambda: stats.num_requests, "a report")
    _break(wire)
    after = stats.num_requests
    must_come(lambda: stats.num_requests > after, "a report over the mended wire")
    stop = gevent.spawn(fleet.master.stop)
    must_come(lambda: fleet.master.user_count == 0, "the stop")
    comes(lambda: stats.num_requests == made.count, 2.0)
    stop.kill()
    return found(made.count, stats.num_requests)


def on_ours() -> Finding:
    runner.REPORT_INTERVAL_S = REPORT_INTERVAL_S
    fleet, made = OurFleet(1), Made()
    wire = Relay(fleet.server.port)
    events.request.add_listener(made.add)  # a rack has every worker's event call it
    fleet.rack(["pi1"], wire.port)
    must_come(lambda: fleet.connected == 1, "the worker")
    fleet.master.ramp_to(USERS, 100)
    must_come(lambda: fleet.notes.requests, "a report")
    _break(wire)
    after = fleet.notes.requests
    must_come(lambda: fleet.notes.requests > after, "a report over the mended wire")
    fleet.master.finish(10)
    comes(lambda: fleet.notes.requests == made.count, 2.0)
    return found(made.count, fleet.notes.requests)


def _break(wire: Relay) -> None:
    end_s = time.monotonic() + SWALLOW_S
    wire.swallow()
    must_come(lambda: time.monotonic() > end_s and wire.swallowed, "a report that is swallowed")
    wire.mend()


def found(made: int, counted: int) -> Finding:
    lost = made - counted
    return Finding(lost == 0, f"{lost} of {made} requests lost, the wire being broken once")


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
