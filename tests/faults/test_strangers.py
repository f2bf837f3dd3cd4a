"""L2: a peer without a key must not join, be counted, end another's worker, be sent the locustfile, or read what is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gevent
import msgspec
from apart import apart
from finding import Finding
from locust import __version__
from locust.stats import RequestStats
from our_fleet import RUN, OurFleet
from relay import Relay
from stock_fleet import HERE, StockFleet
from waiting import comes, must_come

from worker.wire.curve import new_keys
from worker.wire.messages import Ready
from worker.wire.reports import EndpointSecond, Report, WorkerSecond

FAULT = "L2"
TITLE = "a stranger without a key does as it likes"
FORGED = 1_000_000
USERS = 4
SETTLED_S = 2.0
"""How long a stranger waits for what he hopes for. What does happen takes milliseconds."""

encode = msgspec.msgpack.encode


def stock() -> Finding:
    return apart(on_stock)


def ours() -> Finding:
    return apart(on_ours)


class Stranger:
    """A peer that keeps what it is sent, without decoding what it can't."""

    def __init__(self, socket: Any, identity: str) -> None:
        self.sent: list[bytes] = []
        self._socket = socket
        self._identity = identity
        gevent.spawn(self._hear)

    def _hear(self) -> None:
        while True:
            self.sent.append(self._socket.recv())

    def say(self, kind: str, data: Any, name: str = "") -> None:
        """Send one message, under another's name if given."""
        self._socket.send(encode((kind, data, name or self._identity)))

    def was_sent(self, words: bytes) -> bool:
        return any(words in frame for frame in self.sent)

    def has_users(self) -> bool:
        """Return whether the peer was ordered to run any users."""
        orders = [msgspec.msgpack.decode(frame) for frame in self.sent if b"user_classes_count" in frame]
        return any(sum(order[1]["user_classes_count"].values()) for order in orders)


def on_stock() -> Finding:
    fleet = StockFleet()
    wire = Relay(fleet.port)
    fleet.worker(wire.port)
    must_come(lambda: fleet.connected == 1, "the real worker")
    real = next(iter(fleet.master.clients))
    stranger = Stranger(fleet.stranger("stranger"), "stranger")
    done = [("read the wire", b"client_ready" in wire.heard)]
    stranger.say("locustfile", {"version": __version__})
    done.append(("got the locustfile", comes(lambda: stranger.was_sent(_locustfile()), SETTLED_S)))
    stranger.say("client_ready", __version__)
    comes(lambda: fleet.connected == 2, SETTLED_S)
    gevent.spawn(fleet.master.start, USERS, 100)
    done.append(("got users", comes(stranger.has_users, SETTLED_S)))
    stranger.say("stats", _forged_statistics(), real)
    done.append(("forged requests", comes(lambda: fleet.master.stats.num_requests >= FORGED, SETTLED_S)))
    stranger.say("quit", None, real)
    done.append(("ended another's worker", comes(lambda: real not in fleet.master.clients, SETTLED_S)))
    return found(done)


def on_ours() -> Finding:
    fleet = OurFleet(2)
    wire = Relay(fleet.server.port)
    fleet.rack(["pi1"], wire.port)
    must_come(lambda: fleet.connected == 1, "the real worker")
    strangers = [
        Stranger(fleet.peer("stranger", None), "stranger"),
        Stranger(fleet.peer("pi1_0", None), "pi1_0"),
        Stranger(fleet.peer("pi1_0", new_keys()), "pi1_0"),
        Stranger(fleet.peer("pi2_0", fleet.keys["pi2"]), "pi1_0"),  # a node of the fleet, in another's name
    ]
    for stranger in strangers:
        stranger.say("locustfile", {"version": __version__})
        for name in ("stranger", "pi1_0"):
            stranger.say("client_ready", Ready(__version__, 1, 1, RUN), name)
            stranger.say("stats", _forged_report(), name)
            stranger.say("quit", None, name)
    comes(lambda: fleet.server.drops["connection with an unknown key"])
    comes(lambda: fleet.server.drops["identity of another node"] == 6)
    fleet.master.ramp_to(USERS, 100)
    comes(lambda: fleet.notes.requests and fleet.master.user_count == USERS)
    done = [
        ("read the wire", b"client_ready" in wire.heard or b"Visitor" in wire.heard),
        ("got the locustfile", any(stranger.was_sent(_locustfile()) for stranger in strangers)),
        ("got users", any(stranger.sent for stranger in strangers) or fleet.connected > 1),
        ("forged requests", fleet.notes.requests >= FORGED),
        ("ended another's worker", "pi1_0" not in fleet.master.clients or fleet.master.user_count != USERS),
    ]
    return found(done)


def found(done: list[tuple[str, bool]]) -> Finding:
    did = [what for what, it_did in done if it_did]
    return Finding(not did, f"strangers did {len(did)} of {len(done)}" + (f": {', '.join(did)}" if did else ""))


def _locustfile() -> bytes:
    return Path(HERE / "visitor.py").read_bytes()[:40]


def _forged_statistics() -> dict[str, Any]:
    stats = RequestStats(use_response_times_cache=False)
    for entry in (stats.entries["/forged", "GET"], stats.total):
        entry.log(1, 1)
        entry.num_requests = FORGED
    total = stats.total.serialize()
    return {
        "stats": stats.serialize_stats(),
        "stats_total": total,
        "errors": {},
        "user_classes_count": {},
        "user_count": 0,
    }


def _forged_report() -> Report:
    forged = EndpointSecond("GET", "/forged", FORGED, 0, 0, 1.0, {300: FORGED})
    return Report(1, 1, 0, 1.0, {}, [WorkerSecond(1, 1.0, 1.0, {1: 20}, [forged])], [])


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
