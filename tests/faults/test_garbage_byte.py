"""L1: a frame that is no message, from any peer, must not keep the master from accepting workers."""

from __future__ import annotations

from apart import apart
from finding import Finding
from our_fleet import OurFleet
from stock_fleet import StockFleet
from waiting import comes, must_come

FAULT = "L1"
TITLE = "one garbage byte deafens the master"
GARBAGE = b"\xc1"  # the one byte that MessagePack leaves out
LATER = 3
DEAF_AFTER_S = 3.0
"""How long workers knock at a stock master that does not hear; one that hears takes them in within part of a second."""


def stock() -> Finding:
    return apart(on_stock)


def ours() -> Finding:
    return apart(on_ours)


def on_stock() -> Finding:
    fleet = StockFleet()
    fleet.worker()
    must_come(lambda: fleet.connected == 1, "the first worker")
    running = len(fleet.master.greenlet)
    fleet.stranger("garbage").send(GARBAGE)
    comes(lambda: len(fleet.master.greenlet) < running, 2.0)  # its listener is gone
    for _ in range(LATER):
        fleet.worker()
    comes(lambda: fleet.connected == 1 + LATER, DEAF_AFTER_S)
    return found(fleet)


def on_ours() -> Finding:
    fleet = OurFleet(1 + LATER)
    fleet.rack(["pi1"])
    must_come(lambda: fleet.connected == 1, "the first worker")
    fleet.peer("garbage", None).send(GARBAGE)
    fleet.peer("pi1", fleet.keys["pi1"]).send(GARBAGE)  # the worst case: from one that is let in
    comes(lambda: fleet.server.drops["message can't be decoded"] == 1)
    fleet.rack(["pi2", "pi3", "pi4"])
    comes(lambda: fleet.connected == 1 + LATER)
    return found(fleet)


def found(fleet: StockFleet | OurFleet) -> Finding:
    joined = fleet.connected - 1
    deaf = "hears on" if joined == LATER else "deaf"
    return Finding(joined == LATER, f"{deaf} after 1 byte; {joined} of {LATER} workers joined later")


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
