"""L14: a user's requests must share a connection, whatever number its socket has."""

from __future__ import annotations

import os
import resource
from typing import Any

from apart import apart
from finding import Finding
from gevent.server import StreamServer
from locust import FastHttpUser
from locust.env import Environment

from worker.http import HttpUser

FAULT = "L14"
TITLE = "keep-alive ends at descriptor 1024"
SELECT_ENDS_AT = 1024
REQUESTS = 10
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def stock() -> Finding:
    return apart(on_stock)


def ours() -> Finding:
    return apart(on_ours)


def on_stock() -> Finding:
    return found(FastHttpUser)


def on_ours() -> Finding:
    return found(HttpUser)


def found(base: type[FastHttpUser | HttpUser]) -> Finding:
    connections = 0

    def serve(connection: Any, _address: object) -> None:
        nonlocal connections
        connections += 1
        with connection, connection.makefile("rb") as incoming:
            while line := incoming.readline():
                if line == b"\r\n":
                    connection.sendall(ANSWER)

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    kind = type("Visitor", (base,), {"host": f"http://127.0.0.1:{server.server_port}"})
    counts = []
    for above in (False, True):
        if above:
            _take_descriptors()
        connections = 0
        user = kind(Environment(user_classes=[kind]))
        answered = sum(user.client.get("/").status_code == 200 for _ in range(REQUESTS))
        assert answered == REQUESTS, f"{answered} of {REQUESTS} answered"
        counts.append(connections)
    below, above = counts
    assert below == 1, f"{below} connections even below descriptor {SELECT_ENDS_AT}"
    noun = "connection" if above == 1 else "connections"
    return Finding(
        above == 1, f"{REQUESTS} requests over {above} {noun} above descriptor {SELECT_ENDS_AT}, {below} below"
    )


def _take_descriptors() -> None:
    """Open so many descriptors that the next one is beyond what select() can take."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    while os.open(os.devnull, os.O_RDONLY) < SELECT_ENDS_AT:
        pass


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
