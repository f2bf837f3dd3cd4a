"""Answers of hostile servers, and what must hold of a request that meets one."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gevent import socket
from http_server import Exchange, Server, Visitor

MIB = 1024 * 1024


OK = b"HTTP/1.1 200 OK\r\n"


AT_ONCE_MS = 5000
"""Milliseconds within which a failure was noticed, not timed out: half of what a Visitor waits for a silent server."""


def holds(data: bytes) -> Callable[[Exchange], None]:
    """Send `data`, and leave it to the client to close."""

    def answer(at: Exchange) -> None:
        at.read_body()
        at.send(data)
        at.wait_for_the_client_to_close()
        at.hang_up()

    return answer


def endless(start: bytes, unit: bytes) -> Callable[[Exchange], None]:
    """Send `start` and then `unit` again and again, 256 MiB in all, for as long as it is taken."""

    def answer(at: Exchange) -> None:
        at.send(start)
        block = unit * (1 + 64 * 1024 // len(unit))
        for _ in range(256 * MIB // len(block)):
            at.send(block)
        at.hang_up()

    return answer


def resets(at: Exchange) -> None:
    """Close the connection with a reset."""
    at._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    at.hang_up()


def assert_one_failure(server: Server, user: Visitor, words: str, *, closes: bool = True, **request: Any) -> None:
    """Assert one failure, at once, with its reason; the client closes, and its next request works."""
    answer = user.client.request(request.pop("method", "GET"), "/hostile", **request)
    event = user.event
    assert words in str(event["exception"])
    assert event["response_time"] < AT_ONCE_MS
    assert event["response"] is answer
    if closes:
        server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/").text == "hello"
    assert [each["exception"] for each in user.fired[1:]] == [None]


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Fail if more than so many bytes are in use at any time within the block."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit
