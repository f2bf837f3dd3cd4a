"""In the open model a worker reports each arrival once, and the service time of each request beside its latency."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from gevent.pool import Group
from hypothesis import given
from hypothesis import strategies as st
from locust import User
from locust.env import Environment

from worker.due_task import DueTask
from worker.load.histogram import ArrivalTally, Histogram
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent
from worker.simulation.slowed_recorder import SlowedRecorder
from worker.simulation.virtual_cores import VirtualCores
from worker.wire.reports import EndpointSecond, Report

FIRED = {"request_type": "GET", "name": "/", "response_time": 2.0, "response_length": 7, "exception": None}


class Clock:
    """A clock that the test moves."""

    def __init__(self, now_s: float = 100.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(LoopLag(), Clock(), open_model=True)


def entry(recorder: Recorder) -> EndpointSecond:
    """Return the only endpoint of what is reported now."""
    (found,) = [each for second in recorder.make_report({}, final=True).seconds for each in second.endpoints]
    return found


def arrivals(report: Report) -> dict[tuple[int, str], int]:
    """Return how many arrivals of each second and class are in a report."""
    return {
        (second.second, row.user_class): row.started + row.missed + row.given_up
        for second in report.seconds
        for row in second.arrivals
    }


@given(
    st.lists(
        st.one_of(
            st.sampled_from([0.25, 1.0, 3.0]),
            st.just("report"),
            st.tuples(st.sampled_from([0.0, 0.4, 1.7, 9.0]), st.sampled_from(["A", "B"])),
        ),
        max_size=50,
    )
)
def test_every_arrival_is_in_exactly_one_report_and_in_the_second_in_which_it_was_due(steps: list[Any]) -> None:
    """Also where it is decided when that second has been reported."""
    clock = Clock()
    recorder = Recorder(LoopLag(), clock, open_model=True)
    expected: dict[tuple[int, str], int] = {}
    found: dict[tuple[int, str], int] = {}
    for step in [*steps, "final"]:
        match step:
            case "report" | "final":
                report = recorder.make_report({}, final=step == "final")
                for key, count in arrivals(report).items():
                    found[key] = found.get(key, 0) + count
            case (float(ago_s), str(name)):
                due_s = clock.now_s - ago_s
                recorder.arrivals_due(due_s, name).missed += 1
                expected[int(due_s), name] = expected.get((int(due_s), name), 0) + 1
            case float(pause_s):
                clock.now_s += pause_s
    assert found == expected


def test_a_tally_goes_over_the_wire_whole(recorder: Recorder) -> None:
    lateness = Histogram()
    for late_ms in (0.1, 12.5):
        lateness.add(late_ms)
    recorder.arrivals_due(100.5, "Visitor").merge(ArrivalTally(2, 3, 1, 4, lateness))
    (row,) = recorder.make_report({}, final=True).seconds[-1].arrivals
    assert (row.user_class, row.started, row.missed, row.late, row.given_up) == ("Visitor", 2, 3, 1, 4)
    assert (row.lateness_max_ms, row.lateness_buckets) == (12.5, lateness.buckets)


def slowed(open_model: bool) -> Recorder:
    """Return the recorder of a simulated node."""
    return SlowedRecorder(LoopLag(), VirtualCores(4, 0.0), Clock(), open_model=open_model)


def real(open_model: bool) -> Recorder:
    """Return the recorder of a real node."""
    return Recorder(LoopLag(), Clock(), open_model=open_model)


@pytest.mark.parametrize("make", [real, slowed])
def test_the_service_time_is_the_latency_without_what_was_before_the_request(make: Callable[[bool], Recorder]) -> None:
    """Of each request that did not fail, so that there are as many of both."""
    recorder = make(True)
    recorder.record("GET", "/", 30.0, 0, late_ms=20.0)
    recorder.record("GET", "/", 4.0, 0)
    recorder.record("GET", "/", 500.0, 0, ValueError("status"), late_ms=100.0)
    found = entry(recorder)
    assert (found.max_ms, found.service_max_ms) == (30.0, 10.0)
    assert sum(found.buckets.values()) == sum(found.service_buckets.values()) == 2
    assert found.failed_max_ms == 500.0


@pytest.mark.parametrize("make", [real, slowed])
def test_the_closed_model_reports_no_service_times(make: Callable[[bool], Recorder]) -> None:
    """There are latencies alone."""
    recorder = make(False)
    recorder.record("GET", "/", 30.0, 0, late_ms=20.0)
    found = entry(recorder)
    assert (found.max_ms, found.service_max_ms, found.service_buckets) == (30.0, 0.0, {})


def test_a_failure_may_be_the_first_request_of_its_second(recorder: Recorder) -> None:
    """An answer that follows has its service time."""
    recorder.record("GET", "/", 1.0, 0, ValueError("status"))
    recorder.record("GET", "/", 1.0, 0)
    found = entry(recorder)
    assert sum(found.buckets.values()) == sum(found.service_buckets.values()) == 1


class Asking(User):
    """A user whose client knows nothing of arrivals; the test calls it once for each of its arrivals."""

    def run(self) -> None:  # type: ignore[misc]  # a loop of its own
        self.act()

    def act(self) -> None:
        """Make requests."""


def in_a_user(environment: Environment, act: Callable[[Any], object]) -> None:
    """Have a user do something."""
    user = Asking(environment)
    user.act = lambda: act(user)
    group = Group()
    user.start(group)
    group.join()


def test_another_client_s_first_request_of_an_arrival_has_its_wait_in_the_latency() -> None:
    """Listeners are told the same. The second request has none."""
    recorder = Recorder(LoopLag(), open_model=True)
    environment = Environment(user_classes=[Asking])
    environment.events.request = RequestEvent(recorder)
    heard: list[float] = []
    environment.events.request.add_listener(lambda response_time, **_: heard.append(response_time))

    def act(user: Any) -> None:
        user.due_task = DueTask()
        user.due_task.begin_arrival(1.0, 0.025)
        for _ in range(2):
            environment.events.request.fire(**FIRED)

    in_a_user(environment, act)
    found = entry(recorder)
    assert heard == [27.0, 2.0]
    assert (found.max_ms, found.service_max_ms, found.userspace_timed) == (27.0, 2.0, 2)
    assert sum(found.service_buckets.values()) == 2


def test_an_arrival_that_has_not_waited_adds_nothing() -> None:
    recorder = Recorder(LoopLag(), open_model=True)
    environment = Environment(user_classes=[Asking])
    environment.events.request = RequestEvent(recorder)

    def act(user: Any) -> None:
        user.due_task = DueTask()
        user.due_task.begin_arrival(None)
        environment.events.request.fire(**FIRED)

    in_a_user(environment, act)
    assert entry(recorder).max_ms == 2.0


def test_a_wait_in_which_the_process_lagged_counts_that_lag_where_the_latency_is_counted() -> None:
    """The user may have been late to get free for that alone."""
    lag = LoopLag(Clock(105.0))
    lag._at(100).histogram.add(300)
    recorder = Recorder(lag, Clock(101.2), open_model=True)
    environment = Environment(user_classes=[Asking])
    environment.events.request = RequestEvent(recorder, clock=Clock(101.2))

    def act(user: Any) -> None:
        user.due_task = DueTask()
        user.due_task.begin_arrival(100.9, 0.25)
        environment.events.request.fire(**FIRED)

    in_a_user(environment, act)
    assert lag.second(101).histogram.max_ms == 300


def test_requests_outside_of_users_and_without_a_time_are_taken_as_they_are(recorder: Recorder) -> None:
    event = RequestEvent(recorder)
    event.fire(**FIRED)
    event.fire(**FIRED | {"response_time": None})
    event.fire(**FIRED | {"response": SimpleNamespace(late_s="late")})
    found = entry(recorder)
    assert (found.total, found.without_latency, found.max_ms) == (3, 1, 2.0)
    assert sum(found.service_buckets.values()) == 2


def test_a_response_of_worker_http_says_itself_what_of_the_latency_is_no_service_time(recorder: Recorder) -> None:
    """It has been added already."""
    response = SimpleNamespace(late_s=0.0015, kernel_latency_ms=2.0)
    RequestEvent(recorder).fire(**FIRED | {"response": response})
    found = entry(recorder)
    assert (found.max_ms, found.service_max_ms, found.userspace_timed) == (2.0, 0.5, 0)


def test_a_refused_deal_is_told_to_the_controller(recorder: Recorder) -> None:
    for _ in range(2):
        recorder.note_refused_deal()
    assert [(row.name, row.count) for row in recorder.make_report({}).errors] == [("arrivals", 2)]
