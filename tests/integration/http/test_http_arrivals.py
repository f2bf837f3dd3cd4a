"""Latency and service time of the requests of an arrival, of the open model, that had to wait for its user."""

from __future__ import annotations

import time

import pytest
from http_server import Server, Visitor, drop, redirect, reply
from locust.env import Environment
from locust.user.task import LOCUST_STATE_WAITING

from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent

WAITED_S = 60.0
"""Far more than any request here takes."""
WAITED_MS = 1000 * WAITED_S
LIMIT_MS = 1.5 * WAITED_MS


@pytest.fixture
def waited(user: Visitor) -> Visitor:
    """A user whose arrival has waited for it."""
    user.due_task.begin_arrival(time.monotonic() - WAITED_S, WAITED_S)
    return user


def test_the_first_request_counts_what_its_arrival_has_waited_and_the_others_do_not(waited: Visitor) -> None:
    """What the user did before its first request is not in it: only what the arrival waited, and the service time."""
    time.sleep(0.3)
    begun_s = time.monotonic()
    first = waited.client.get("/")
    took_ms = 1000 * (time.monotonic() - begun_s)
    second = waited.client.get("/")
    assert (first.late_s, second.late_s) == (WAITED_S, 0.0)
    assert WAITED_MS < waited.fired[0]["response_time"] <= WAITED_MS + took_ms
    assert waited.fired[1]["response_time"] < WAITED_MS
    assert first.latency_s == waited.fired[0]["response_time"] / 1000


def test_it_is_the_first_request_of_whichever_client_of_the_user(waited: Visitor, server: Server) -> None:
    """A user may have several."""
    other = waited.new_client(server.url)
    assert [other.get("/").late_s, waited.client.get("/").late_s] == [WAITED_S, 0.0]


def test_an_arrival_that_started_at_once_adds_nothing(user: Visitor) -> None:
    user.due_task.begin_arrival(None)
    assert user.client.get("/").late_s == 0.0


def test_a_request_before_the_next_arrival_is_not_its_first(waited: Visitor) -> None:
    """As one of on_stop, of a user that was stopped while it waited."""
    waited._state = LOCUST_STATE_WAITING
    assert waited.client.get("/").late_s == 0.0


@pytest.mark.parametrize("answers", ["redirect", "dropped", "refused"])
def test_whatever_becomes_of_the_request_the_wait_counts_once(server: Server, waited: Visitor, answers: str) -> None:
    """Redirects, failures and statuses alike."""
    server.on("/moved", redirect(302, "/"))
    server.on("/dropped", drop)
    server.on("/refused", reply("no", status="503 Service Unavailable"))
    waited.client.post({"redirect": "/moved", "dropped": "/dropped", "refused": "/refused"}[answers])
    assert WAITED_MS < waited.event["response_time"] < LIMIT_MS


def test_recorded_are_the_latency_and_the_service_time(server: Server) -> None:
    """Without a listener, and in a with-block; by the kernel's timestamps, so that neither has the loop's lag in it."""
    kind = type("Passerby", (Visitor,), {"host": server.url})
    environment = Environment(user_classes=[kind])
    recorder = Recorder(LoopLag(), open_model=True)
    environment.events.request = RequestEvent(recorder)
    user = kind(environment)
    environment.events.request._handlers.clear()
    for name in ("plain", "caught"):
        user.client.get("/", name=f"{name}, connects")
        user.due_task.begin_arrival(time.monotonic(), WAITED_S)
        if name == "plain":
            user.client.get("/", name=name)
        else:
            with user.client.get("/", name=name, catch_response=True) as response:
                assert response.late_s == WAITED_S
    user.client.close()
    seconds = recorder.make_report({}, final=True).seconds
    entries = {entry.name: entry for second in seconds for entry in second.endpoints}
    for name in ("plain", "caught"):
        assert WAITED_MS < entries[name].max_ms < LIMIT_MS
        assert entries[name].service_max_ms == pytest.approx(entries[name].max_ms - WAITED_MS)
        assert entries[name].userspace_timed == 0


def test_a_request_in_flight_is_as_old_as_its_latency_would_be(server: Server) -> None:
    """So a stall shows while it lasts."""
    ages_s: list[float] = []

    def answer(_: object) -> bytes:
        (call,) = user.client._in_flight
        ages_s.append(time.monotonic() - call.sent_s)
        return reply("hello")

    server.on("/", answer)
    user = server.visitor()
    user.due_task.begin_arrival(time.monotonic(), WAITED_S)
    user.client.get("/")
    assert WAITED_S <= ages_s[0] < 1.5 * WAITED_S
