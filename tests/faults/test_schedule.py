"""L12: a target that stalls must not get fewer requests for it, and the latency of those due meanwhile must include their wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from apart import apart
from finding import Finding
from gevent.event import Event
from gevent.pool import Group
from gevent.server import StreamServer
from locust import FastHttpUser, task
from locust import constant_pacing as stock_pacing
from locust.env import Environment
from waiting import must_come

from worker.http import HttpUser
from worker.pacing import constant_pacing

FAULT = "L12"
TITLE = "a stall hides itself"
USERS = 5
PERIOD_S = 0.1
LOAD_S = 4.0
STALL_FROM_S, STALL_S = 1.0, 1.5
SLOW_S = 0.5
"""Beyond what a request takes otherwise, also on a busy machine."""
TOLERANCE = 0.1
"""Of all requests that were due: the share that may be missing, and by how much the share of slow ones may be off."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def stock() -> Finding:
    return apart(on_stock)


def ours() -> Finding:
    return apart(on_ours)


def on_stock() -> Finding:
    return found(FastHttpUser, stock_pacing)


def on_ours() -> Finding:
    return found(HttpUser, constant_pacing)


class Target:
    """A target that answers at once, but nobody while it is told to stall."""

    def __init__(self) -> None:
        self._open = Event()
        self._open.set()
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stall(self, until_s: float) -> float:
        """Stall; return for how many seconds."""
        began_s = time.monotonic()
        self._open.clear()
        wait_for(until_s, "the end of the stall")
        self._open.set()
        return time.monotonic() - began_s

    def _serve(self, connection: Any, _address: object) -> None:
        with connection, connection.makefile("rb") as incoming:
            while line := incoming.readline():
                if line == b"\r\n":
                    self._open.wait()
                    connection.sendall(ANSWER)


def wait_for(time_s: float, what: str) -> None:
    must_come(lambda: time.monotonic() >= time_s, what)


def found(base: type[FastHttpUser | HttpUser], pacing: Callable[[float], Any]) -> Finding:
    target = Target()
    latencies_s: list[float] = []

    class Visitor(base):  # type: ignore[misc, valid-type]
        host = target.url
        wait_time = pacing(PERIOD_S)

        @task
        def visit(self) -> None:
            self.client.get("/")

    environment = Environment(user_classes=[Visitor])
    environment.events.request.add_listener(lambda response_time, **_: latencies_s.append(response_time / 1000))
    users = Group()
    visitors = [Visitor(environment) for _ in range(USERS)]
    began_s = time.monotonic()
    for visitor in visitors:
        visitor.start(users)
    wait_for(began_s + STALL_FROM_S, "the stall")
    stalled_s = target.stall(began_s + STALL_FROM_S + STALL_S)
    wait_for(began_s + LOAD_S, "the end of the load")
    lasted_s = time.monotonic() - began_s
    made, slow = len(latencies_s), sum(latency_s > SLOW_S for latency_s in latencies_s)
    users.kill(timeout=10)
    # Those due in the stall waited for its end; the last of them for less than what counts as slow.
    due = USERS * lasted_s / PERIOD_S
    due_slow = USERS * (stalled_s - SLOW_S) / PERIOD_S
    shown, true = slow / made, due_slow / due
    slower = f"{100 * shown:.0f} % of them slower than {SLOW_S:g} s, {100 * true:.0f} % in truth"
    seen = f"{made} requests of {due:.0f} due, {slower}, after a stall of {stalled_s:.1f} s"
    return Finding(abs(made / due - 1) <= TOLERANCE and abs(shown - true) <= TOLERANCE, seen)


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
