"""Requests of paced users to a server that stalls, and when their latency begins. The schedule itself is in test_pacing."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import gevent
import pytest
from gevent.pool import Group
from http_server import PATIENCE_S, Exchange, Server, Visitor, drop, last, redirect, reply
from locust import TaskSet, User, task
from locust.env import Environment

from worker.http.session import Session
from worker.http.transport.connect import ConnectSettings
from worker.http.transport.connection import ResponseLimits
from worker.http.transport.pool import Pool
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent
from worker.pacing import Schedule, constant_pacing, constant_throughput

LATE_S = 7.0
"""Seconds by which a task begins late; far more than any request here takes."""
PERIOD_S = 0.1
LONG_PERIOD_S = 0.5
"""Three of them are longer than this process is kept from its core."""


def late(user: Visitor) -> Visitor:
    """The user as its pacing leaves it before a task that begins late."""
    user.client.intended_s = time.monotonic() - LATE_S
    return user


def counted_as_late(user: Visitor) -> list[bool]:
    """Whether each request was counted as late, in order."""
    return [event["response_time"] >= LATE_S * 1000 for event in user.fired]


def answer_on(server: Server, user: Visitor, kind: str) -> Any:
    """Have `user` make one request that takes this course; its response."""
    client = user.client
    match kind:
        case "plain":
            return client.get("/")
        case "caught":
            with client.get("/", catch_response=True) as response:
                response.success()
        case "marked as failed":
            with client.get("/", catch_response=True) as response:
                response.failure("wrong")
        case "redirected":
            server.on("/old", redirect(302, "/older"))
            server.on("/older", redirect(302, "/"))
            return client.get("/old")
        case "redirected too often":
            server.on("/round", redirect(302, "/round"))
            return client.get("/round")
        case "not answered":
            server.on("/drop", drop)
            return client.post("/drop")
        case "streamed":
            with client.get("/", stream=True) as response:
                assert response.content == b"hello"
    return response


COURSES = ["plain", "caught", "marked as failed", "redirected", "redirected too often", "not answered", "streamed"]


@pytest.mark.parametrize("kind", COURSES)
def test_the_first_request_of_a_late_task_is_counted_from_when_the_task_was_due(server: Server, kind: str) -> None:
    """The first request of a late task counts from the due time, whatever its outcome; the next one of the task does not."""
    user = late(server.visitor())
    response = answer_on(server, user, kind)
    assert user.client.get("/").late_s == 0
    assert counted_as_late(user) == [True, False]
    assert user.fired[0]["response"] is response
    assert response.latency_s * 1000 == user.fired[0]["response_time"]
    assert LATE_S <= response.late_s < response.latency_s < LATE_S + PATIENCE_S
    assert abs(user.fired[0]["start_time"] - time.time()) < LATE_S


def test_so_is_one_that_finds_nobody(server: Server) -> None:
    """A refused connection counts from the due time as well."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        user = late(server.visitor(host=f"http://127.0.0.1:{bound.getsockname()[1]}"))
        assert user.client.get("/").status_code == 0
        user.client.get("/")
    assert counted_as_late(user) == [True, False]
    assert user.fired[0]["exception"] is not None


def test_so_is_one_that_is_sent_again(server: Server) -> None:
    """A request that is sent again, on a new connection or as a retry, counts from the due time."""
    server.on("/", last(reply("the last")), reply("hello"))
    user = server.visitor()
    user.client.get("/")
    late(user).client.get("/")
    server.on("/twice", drop, reply("second"))
    retrying = late(server.visitor(max_retries=1))
    assert retrying.client.get("/twice").text == "second"
    assert (counted_as_late(user), counted_as_late(retrying)) == ([False, True], [True])


def test_a_request_that_can_not_be_sent_leaves_it_to_the_next(server: Server) -> None:
    """A request that can not be sent is not recorded, and the next one counts from the due time."""
    user = late(server.visitor())
    with pytest.raises(ValueError, match="URL"):
        user.client.get("http://[")
    user.client.get("/")
    assert counted_as_late(user) == [True]


def test_a_request_that_is_counted_without_an_event_is_counted_the_same(server: Server) -> None:
    """A request that is recorded without an event, as in a worker without listeners, counts from the due time as well."""
    server.on("/late", reply("hello"))  # what fails has no say in how long answers take
    recorder = Recorder(LoopLag())
    client = Session(
        server.url,
        settings=ConnectSettings(PATIENCE_S, ResponseLimits(PATIENCE_S, PATIENCE_S, 1000), lambda: None, None),
        pool=Pool(1),
        request_event=RequestEvent(recorder),
    )
    client.intended_s = time.monotonic() - LATE_S
    client.get("/late")
    client.get("/")
    client.close()
    slowest = {
        each.name: each.max_ms for second in recorder.make_report({}, final=True).seconds for each in second.endpoints
    }
    assert slowest["/late"] >= LATE_S * 1000 > slowest["/"]


@contextmanager
def running(user: User) -> Iterator[None]:
    """Within the block `user` does what Locust has it do."""
    group = Group()
    user.start(group)
    try:
        yield
    finally:
        group.kill(timeout=PATIENCE_S)


def wait_until(holds: Callable[[], bool]) -> None:
    """Let the user work until `holds` is true; fails if it never is."""
    with gevent.Timeout(PATIENCE_S, AssertionError("waited in vain")):
        while not holds():
            gevent.sleep(0.005)


def stall_of(seconds: float) -> Any:
    """A response that takes a while."""

    def answer(exchange: Exchange) -> bytes:
        exchange.read_body()
        gevent.sleep(seconds)
        return reply("at last")

    return answer


class OneRequest(Visitor):
    """A request is all there is to a task."""

    abstract = True
    wait_time = constant_pacing(PERIOD_S)

    @task
    def visit(self) -> None:
        self.client.get("/")


def paced(server: Server, **attributes: Any) -> Any:
    """A visitor that is paced and makes a request a task."""
    kind = type("Paced", (OneRequest,), {"host": server.url, **attributes})
    return kind(Environment(user_classes=[kind]))


def test_a_user_makes_up_for_a_stall_and_each_request_tells_its_part_of_it(server: Server) -> None:
    """Tasks that were due in a stall follow each other at once, each a period less late than the one before."""
    server.on("/", stall_of(1.0), reply("hello"))
    user = paced(server)
    with running(user):
        wait_until(lambda: len(user.fired) >= 10)
    stalled, *made_up_for = user.fired[:10]
    assert stalled["response"].late_s == 0
    assert stalled["response_time"] >= 1000
    late_s = [event["response"].late_s for event in made_up_for]
    assert all(late_s)
    assert late_s[0] >= 0.9 - PERIOD_S / 2
    assert all(before - after <= PERIOD_S + 0.001 for before, after in pairwise(late_s))
    assert [event["response_time"] > event["response"].late_s * 1000 for event in made_up_for] == [True] * 9


def test_the_tasks_that_are_not_made_up_for_are_counted_as_missed(server: Server) -> None:
    """Tasks that are skipped are counted as missed, by the user and by its class."""
    server.on("/", stall_of(1.0), reply("hello"))
    user = paced(server, wait_time=constant_throughput(1 / PERIOD_S, max_behind_s=2.5 * PERIOD_S))
    with running(user):
        wait_until(lambda: len(user.fired) > 2)
    assert user.pacing_schedule.missed == type(user).wait_time.missed >= 7
    assert user.fired[1]["response"].late_s > 0


def test_a_slow_on_start_makes_no_task_late(server: Server) -> None:
    """The schedule starts with the first task, so a slow on_start makes none late."""

    def on_start(user: Visitor) -> None:
        user.client.get("/sign-in")

    server.on("/sign-in", stall_of(2.2))
    user = paced(server, on_start=on_start, wait_time=constant_pacing(2.0))
    with running(user):
        wait_until(lambda: len(user.fired) > 2)
    assert [event["name"] for event in user.fired] == ["/sign-in", "/", "/"]
    assert not any(event["response"].late_s for event in user.fired)


def test_what_a_stopped_user_asks_at_its_end_is_no_late_task(server: Server) -> None:
    """Requests in on_stop do not count from the due time of a task that never began."""
    pacing = constant_pacing(PERIOD_S)

    def wait_time(user: Visitor) -> float:
        wait_s = pacing(user)
        user.greenlet.kill(block=False)  # as soon as it waits
        return wait_s

    def on_stop(user: Visitor) -> None:
        assert user.client.intended_s is not None
        user.client.get("/sign-out")

    server.on("/", stall_of(0.5))
    server.on("/sign-out", reply("bye"))
    user = paced(server, on_stop=on_stop, wait_time=wait_time)
    group = Group()
    user.start(group)
    assert group.join(PATIENCE_S)
    assert [(event["name"], event["response"].late_s) for event in user.fired] == [("/", 0), ("/sign-out", 0)]


class Steps(TaskSet):
    """A task set with times of its own."""

    wait_time = constant_pacing(PERIOD_S)

    def on_start(self) -> None:
        self.user.client.get("/stall")

    @task
    def step(self) -> None:
        self.client.get("/step")


def test_a_task_set_may_have_a_pacing_of_its_own(server: Server) -> None:
    """A task set with a pacing has its own schedule from when it is entered, and tells the user's client of late tasks."""
    server.on("/stall", stall_of(0.5))
    user = server.visitor(tasks=[Steps], wait_time=constant_pacing(100))
    with running(user):
        wait_until(lambda: len(user.fired) > 8)
    steps = [event for event in user.fired if event["name"] == "/step"]
    assert steps[0]["response"].late_s == 0
    assert sum(event["response"].late_s > 0 for event in steps) >= 3


class Plain(User):
    """A user of Locust's, with a client that knows of no schedule."""

    wait_time = constant_pacing(LONG_PERIOD_S)
    client = None

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.begun_s: list[float] = []

    @task
    def act(self) -> None:
        self.begun_s.append(time.monotonic())
        gevent.sleep(5 * LONG_PERIOD_S if len(self.begun_s) == 1 else 0)


def test_any_user_of_locust_keeps_its_schedule() -> None:
    """Any user of Locust has made as many tasks after a long one as were due."""
    user = Plain(Environment(user_classes=[Plain]))
    started_s = time.monotonic()
    with running(user):
        wait_until(lambda: len(user.begun_s) >= 9)
    assert user.begun_s[4] - user.begun_s[1] < 3 * LONG_PERIOD_S
    assert user.begun_s[8] - started_s >= 8 * LONG_PERIOD_S - 0.01


def test_requests_behind_the_schedule_for_a_lag_count_that_lag_in_their_second(server: Server) -> None:
    """Requests that are late because the generator stood still count its lag in their second."""
    lag = LoopLag()
    now_s = time.monotonic()
    lag._at(int(now_s) - 1).histogram.add(300)
    kind = type("Paced", (Visitor,), {"host": server.url, "wait_time": constant_pacing(PERIOD_S)})
    environment = Environment(user_classes=[kind])
    environment.events.request = RequestEvent(Recorder(lag))
    user = kind(environment)
    user.client.intended_s, user.client.behind_since_s = now_s - 0.3, now_s - 1
    assert user.client.get("/").late_s >= 0.3
    assert max(lag.second(int(now_s) + more).histogram.max_ms for more in (0, 1)) == 300
    user.client.close()


def test_what_answers_lay_unread_makes_no_task_late(server: Server) -> None:
    """A late task counts from its due time plus the time in which responses lay unread since the last task on time."""
    user = server.visitor(wait_time=constant_pacing(PERIOD_S))
    user.pacing_schedule = Schedule(time.monotonic() - 5.0, PERIOD_S, LATE_S)
    user.client.unread_s = 0.25
    user.wait_time()
    assert user.client.intended_s == pytest.approx(user.pacing_schedule.due_s + 0.25)
    user.client.unread_s = 3600.0
    user.wait_time()
    assert user.client.intended_s is not None
    assert user.client.get("/").late_s < 2.5  # from the end of the task before, and no later
    user.pacing_schedule = Schedule(time.monotonic(), 60.0, LATE_S)
    user.wait_time()
    assert (user.client.intended_s, user.client.unread_s) == (None, 0.0)
