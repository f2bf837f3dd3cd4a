"""The time in which the process could not read a response is no latency of the target."""

from __future__ import annotations

import sys
import time

import gevent
import pytest
from gevent.monkey import get_original
from http_server import Visitor
from locust.env import Environment
from processes import Target

BLOCKED_S = 0.5
ATTEMPTS = 5


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel notes when a piece of a connection came")
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_lay_in_the_kernel_counts_from_when_it_came(target: Target, *, streamed: bool) -> None:
    """A response of a target that answers at once has a low latency, though the event loop is blocked before it can read it."""
    kind = type("Passerby", (Visitor,), {"host": target.url})
    visitor = kind(Environment(user_classes=[kind]))
    visitor.client.get("/health")  # makes the connection, and the first use of the kernel's notes takes it a moment
    measured_s = []
    for _ in range(ATTEMPTS):  # on a busy machine the target may be late itself
        begun_s = time.monotonic()
        asking = gevent.spawn(visitor.client.get, "/health", stream=streamed)
        gevent.sleep(0)  # it has asked
        get_original("time", "sleep")(BLOCKED_S)
        measured_s.append(asking.get().latency_s)
        assert time.monotonic() - begun_s >= BLOCKED_S
        assert asking.value.content
    visitor.client.close()
    assert min(measured_s) < BLOCKED_S / 2
    assert [event["response_time"] / 1000 for event in visitor.fired][1:] == measured_s


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel tells the round trip")
def test_a_connection_that_was_there_and_not_looked_at_counts_from_when_it_was(target: Target) -> None:
    """A new connection counts for its round trip, though the event loop is blocked before it can see that it is made."""
    kind = type("Passerby", (Visitor,), {"host": target.url})
    visitor = kind(Environment(user_classes=[kind]))
    visitor.client.get("/health")
    responses = []
    for _ in range(ATTEMPTS):
        visitor.client.close()  # ends the idle connection
        begun_s = time.monotonic()
        asking = gevent.spawn(visitor.client.get, "/health")
        gevent.sleep(0)  # it has begun to connect
        get_original("time", "sleep")(BLOCKED_S)
        responses.append(asking.get())
        assert time.monotonic() - begun_s >= BLOCKED_S
    visitor.client.close()
    assert min(response.latency_s for response in responses) < BLOCKED_S / 2
    assert all(
        0 < response.connect_s <= response.latency_s == response.kernel_latency_ms / 1000 for response in responses
    )


def test_a_failure_is_ended_by_the_process() -> None:
    """The latency of a failure ends when the process notices it."""
    kind = type("Passerby", (Visitor,), {"host": "http://127.0.0.1:1"})
    visitor = kind(Environment(user_classes=[kind]))
    assert visitor.client.get("/health").kernel_latency_ms is None
