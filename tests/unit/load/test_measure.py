"""Requests of clients of one's own are counted with the truth of worker.http: from when they were due, failures and all."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust import User, task
from locust.env import Environment
from locust.exception import RescheduleTask

from worker.due_task import DueTask
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent
from worker.measure import measure, report
from worker.pacing import constant_pacing
from worker.wire.reports import EndpointSecond, Report


class Client:
    """As much of a user as is asked for, with a recorder of its own."""

    def __init__(self, *, open_model: bool = False) -> None:
        self.recorder = Recorder(LoopLag(), open_model=open_model)
        self.environment = SimpleNamespace(events=SimpleNamespace(request=RequestEvent(self.recorder)))
        self._state: str | None = None
        self.heard: list[dict[str, Any]] = []
        self.environment.events.request.add_listener(lambda **given: self.heard.append(given))

    def context(self) -> dict[str, Any]:
        return {"tenant": "acme"}

    def report(self) -> Report:
        return self.recorder.make_report({}, final=True)

    def only(self) -> EndpointSecond:
        (endpoint,) = [each for second in self.report().seconds for each in second.endpoints]
        return endpoint


def test_a_request_has_its_size_its_name_and_what_listeners_get() -> None:
    """Kind, name, bytes, context and start are counted and heard as those of any other client; its class has made a request."""
    client = Client()
    with measure(client, "MQTT", "publish") as request:
        assert client.recorder.in_flight == {request}
        request.received_bytes, request.counted_as = 17, "publish (retained)"
    assert not request.failed
    (heard,) = client.heard
    assert (heard["context"], heard["exception"]) == ({"tenant": "acme"}, None)
    assert abs(heard["start_time"] - time.time()) < 60
    report = client.report()
    (endpoint,) = [each for second in report.seconds for each in second.endpoints]
    assert (endpoint.method, endpoint.name, endpoint.total, endpoint.failed, endpoint.received_bytes) == (
        ("MQTT", "publish (retained)", 1, 0, 17)
    )
    assert "Client" in report.requesting


def test_a_failure_is_counted_and_goes_no_further() -> None:
    """What the block raises, or says has failed, fails the request and not the task; its first line is the kind of error."""
    client = Client()
    with measure(client, "SQL", "insert") as raised:
        raise OSError("gone\nwith details")
    with measure(client, "SQL", "insert") as said:
        said.fail("no row")
    assert (raised.failed, said.failed) == (True, True)
    report = client.report()
    assert sorted((row.error, row.count) for row in report.errors) == [("OSError: gone", 1), ("no row", 1)]


@pytest.mark.parametrize("error", [RescheduleTask(), NameError("itme"), KeyboardInterrupt()])
def test_what_is_no_failure_of_the_target_passes_through_uncounted(error: BaseException) -> None:
    """Locust's ways to go on, faults beyond the `failures` named, and an interrupt leave the block, and nothing is counted."""
    client = Client()

    def act() -> None:
        with measure(client, "SQL", "insert", failures=(OSError,)):
            raise error

    with pytest.raises(type(error)):
        act()
    assert (client.heard, client.recorder.in_flight) == ([], set())


def test_a_late_request_counts_from_when_it_was_due() -> None:
    """Latency is from the due time that is given, or that of the user's late task, which counts for one request alone."""
    client = Client()
    with measure(client, "SQL", "given", due_s=time.monotonic() - 30):
        pass
    due = vars(client)["due_task"] = DueTask()
    due.intended_s = due.behind_since_s = time.monotonic() - 60
    for _ in range(2):
        with measure(client, "SQL", "task"):
            pass
    latencies_ms = [heard["response_time"] for heard in client.heard]
    assert latencies_ms == pytest.approx([30_000, 60_000, 0], abs=5000)
    assert {heard["response"] and heard["response"].late_s > 25 for heard in client.heard} == {True, None}


def test_a_wait_of_the_open_model_is_counted_once() -> None:
    """In the open model what an arrival has waited for its user is in the latency of its first request, and not in its service time."""
    client = Client(open_model=True)
    due = vars(client)["due_task"] = DueTask()
    due.begin_arrival(time.monotonic() - 5, 5.0)
    with measure(client, "SQL", "first"):
        pass
    endpoint = client.only()
    assert endpoint.max_ms == pytest.approx(5000, abs=1000)
    assert endpoint.service_max_ms < 1000


def test_worker_pacing_tells_users_without_http_when_they_are_late() -> None:
    """A user of another protocol that is behind the schedule of its pacing has its requests count from when they were due."""

    class Slow(User):
        wait_time = constant_pacing(0.01)
        done = 0

        @task
        def act(self) -> None:
            with measure(self, "SQL", "slow"):
                gevent.sleep(0.2 if self.done == 0 else 0)
            self.done += 1
            if self.done > 5:
                gevent.getcurrent().kill(block=False)
                gevent.sleep(1)

    client = Client()
    environment = Environment(user_classes=[Slow])
    environment.events.request = client.environment.events.request
    user = Slow(environment)
    greenlet = gevent.spawn(user.run)
    greenlet.join(20)
    latencies_ms = [heard["response_time"] for heard in client.heard]
    assert min(latencies_ms[1:4]) > 100  # due while the first was under way


def test_an_answer_that_no_block_waits_for_is_reported_with_its_latency() -> None:
    """A client whose answers come by a callback counts each when it comes."""
    client = Client()
    report(client, "MQTT", "delivered", 0.25, received_bytes=3, outside_loop=True)
    endpoint = client.only()
    assert (endpoint.total, endpoint.userspace_timed, endpoint.max_ms) == (1, 0, 250.0)
