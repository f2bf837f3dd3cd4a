"""Seconds that no worker can have measured are refused, one by one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace
from report_example import FACTS

from master.fleet.reports.checks import (
    CLASS_TWICE,
    COUNTS_DISAGREE,
    ENDPOINT_TWICE,
    MAX_IN_FLIGHT_PER_USER,
    MAX_PROBES,
    MAX_REQUESTS_PER_S,
    NO_USERS,
    NOT_YET,
    OLDER_THAN_RUN,
    TIMES_DISAGREE,
    TOO_EARLY,
    TOO_MANY_IN_FLIGHT,
    TOO_MANY_PROBES,
    TOO_MANY_REQUESTS,
    WorkerLimits,
    check_ages,
    check_second,
    check_time,
    check_unanswered,
    max_requests_per_s,
)
from worker.simulation.boards import BOARDS
from worker.wire.reports import ArrivalSecond, EndpointSecond, Unanswered, WorkerSecond

LIMITS = WorkerLimits(1000, 2)
AT_5_MS = 431
"""The bucket of 5 ms."""


def endpoint(total: int = 3, name: str = "/x", **changes: Any) -> EndpointSecond:
    """An endpoint's requests that took 5 ms each."""
    return replace(
        EndpointSecond("GET", name, total, 0, 900, 5.0 if total else 0.0, {AT_5_MS: total} if total else {}), **changes
    )


def second(*entries: EndpointSecond, **changes: Any) -> WorkerSecond:
    return replace(WorkerSecond(7, 10.0, 5.0, {AT_5_MS - 1: 20, AT_5_MS: 1}, list(entries)), **changes)


def arrivals(name: str = "A", **changes: Any) -> ArrivalSecond:
    """Arrivals of one class, three of which were started 5 ms late."""
    return replace(ArrivalSecond(name, 3, 1, 0, 0, 5.0, {AT_5_MS: 3}), **changes)


def unanswered(**changes: Any) -> Unanswered:
    return replace(Unanswered("GET", "/x", 5, 7, 3, 5.0, {AT_5_MS: 3}), **changes)


FAILED = {"failed": 2, "failed_max_ms": 5.0, "failed_buckets": {AT_5_MS: 2}}


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        pytest.param(second(), None, id="an idle second"),
        pytest.param(second(endpoint(), endpoint(name="/y")), None, id="two endpoints"),
        pytest.param(second(endpoint(userspace_timed=3)), None, id="all by its own clock"),
        pytest.param(second(endpoint(5, buckets={AT_5_MS: 3}, **FAILED)), None, id="some failed"),
        pytest.param(
            second(endpoint(4, buckets={AT_5_MS: 3}, without_latency=1, failed=1)), None, id="one failed without a time"
        ),
        pytest.param(second(endpoint(failed=1)), COUNTS_DISAGREE, id="a failure without a time that has one"),
        pytest.param(
            second(endpoint(service_max_ms=5.0, service_buckets={AT_5_MS: 3})),
            None,
            id="service times of the open model",
        ),
        pytest.param(
            second(endpoint(service_max_ms=5.0, service_buckets={AT_5_MS: 2})),
            COUNTS_DISAGREE,
            id="too few service times",
        ),
        pytest.param(
            second(endpoint(service_max_ms=4.0, service_buckets={AT_5_MS: 3})),
            TIMES_DISAGREE,
            id="the longest service time below the highest bucket",
        ),
        pytest.param(
            second(endpoint(service_buckets={AT_5_MS: 3})), TIMES_DISAGREE, id="service times and none the longest"
        ),
        pytest.param(second(arrivals=[arrivals(), arrivals("B")]), None, id="arrivals of two classes"),
        pytest.param(second(arrivals=[arrivals(), arrivals()]), CLASS_TWICE, id="a class of arrivals twice"),
        pytest.param(second(arrivals=[arrivals(late=4)]), COUNTS_DISAGREE, id="more arrivals late than started"),
        pytest.param(second(arrivals=[arrivals(started=4)]), COUNTS_DISAGREE, id="more arrivals than times of them"),
        pytest.param(second(arrivals=[arrivals(lateness_max_ms=math.inf)]), TIMES_DISAGREE, id="infinitely late"),
        pytest.param(
            second(endpoint(5, buckets={AT_5_MS: 3}, **FAILED | {"failed": 1})),
            COUNTS_DISAGREE,
            id="more times of failures than failures",
        ),
        pytest.param(second(endpoint(failed=4, without_latency=4)), COUNTS_DISAGREE, id="more failed than there were"),
        pytest.param(second(endpoint(userspace_timed=4)), COUNTS_DISAGREE, id="more by its own clock than there were"),
        pytest.param(second(endpoint(0, userspace_timed=1)), COUNTS_DISAGREE, id="none, but one by its own clock"),
        pytest.param(second(endpoint(4, buckets={1: 3})), COUNTS_DISAGREE, id="fewer times than requests"),
        pytest.param(second(endpoint(2, buckets={1: 3})), COUNTS_DISAGREE, id="more times than requests"),
        pytest.param(second(endpoint(without_latency=1)), COUNTS_DISAGREE, id="a time of one that has none"),
        pytest.param(second(endpoint(max_ms=math.inf)), TIMES_DISAGREE, id="a request without end"),
        pytest.param(second(endpoint(max_ms=4.0)), TIMES_DISAGREE, id="longest below the highest bucket"),
        pytest.param(second(endpoint(failed_max_ms=math.inf)), TIMES_DISAGREE, id="a failure without end"),
        pytest.param(second(endpoint(waiting_max_ms=math.inf)), TIMES_DISAGREE, id="waiting without end"),
        pytest.param(
            second(endpoint(in_flight=1, waiting_max_ms=5.0, waiting_buckets={AT_5_MS: 2})),
            COUNTS_DISAGREE,
            id="more waiting than in flight",
        ),
        pytest.param(second(endpoint(0, in_flight=2 * MAX_IN_FLIGHT_PER_USER)), None, id="much in flight"),
        pytest.param(
            second(endpoint(0, in_flight=2 * MAX_IN_FLIGHT_PER_USER), endpoint(0, name="/y", in_flight=1)),
            TOO_MANY_IN_FLIGHT,
            id="more in flight than users can have",
        ),
        pytest.param(second(lag_max_ms=math.inf), TIMES_DISAGREE, id="a lag without end"),
        pytest.param(second(lag_max_ms=0.0), TIMES_DISAGREE, id="a largest lag below the highest bucket"),
        pytest.param(second(lag_buckets={50: MAX_PROBES + 1}), TOO_MANY_PROBES, id="more probes than there can be"),
        pytest.param(second(endpoint(), endpoint()), ENDPOINT_TWICE, id="an endpoint twice"),
        pytest.param(second(endpoint(1000)), None, id="as many as it can make"),
        pytest.param(second(endpoint(1001)), TOO_MANY_REQUESTS, id="one more than it can make"),
        pytest.param(second(endpoint(600), endpoint(600, "/y")), TOO_MANY_REQUESTS, id="more in all its endpoints"),
        pytest.param(second(exceptions=1001), TOO_MANY_REQUESTS, id="more exceptions than it can make requests"),
        pytest.param(second(endpoint(), local_errors=1), COUNTS_DISAGREE, id="local errors where nothing failed"),
    ],
)
def test_a_second_that_contradicts_itself_or_its_worker_is_refused(row: WorkerSecond, fault: str | None) -> None:
    assert check_second(row, LIMITS) == fault


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        pytest.param(unanswered(), None, id="three of two seconds ago"),
        pytest.param(unanswered(sent=8), TIMES_DISAGREE, id="given up before they were sent"),
        pytest.param(unanswered(total=4), COUNTS_DISAGREE, id="fewer ages than requests"),
        pytest.param(unanswered(max_ms=math.inf), TIMES_DISAGREE, id="an age without end"),
        pytest.param(unanswered(total=1001, buckets={AT_5_MS: 1001}), TOO_MANY_REQUESTS, id="more than it can make"),
    ],
)
def test_requests_without_an_answer_that_contradict_themselves_are_refused(row: Unanswered, fault: str | None) -> None:
    assert check_unanswered(row, LIMITS) == fault


@pytest.mark.parametrize("row", [second(endpoint()), second(endpoint(0, in_flight=1)), second(exceptions=1)])
def test_who_was_given_no_users_makes_no_requests(row: WorkerSecond) -> None:
    assert check_second(row, WorkerLimits(0.0, 0)) == NO_USERS
    assert check_unanswered(unanswered(), WorkerLimits(0.0, 0)) == NO_USERS
    assert check_second(second(), WorkerLimits(0.0, 0)) is None


def test_a_core_makes_so_many_requests_and_a_slower_one_fewer() -> None:
    """The most requests a core can make depend on its board; a simulated board and an unknown one count as this machine does."""
    pi4 = replace(FACTS, simulated=False, model="Raspberry Pi 4 Model B Rev 1.5")
    assert max_requests_per_s(pi4) == MAX_REQUESTS_PER_S / BOARDS["pi4"].cpu_s_per_x86_cpu_s
    assert max_requests_per_s(replace(pi4, simulated=True)) == MAX_REQUESTS_PER_S
    assert max_requests_per_s(replace(pi4, model="x86_64")) == MAX_REQUESTS_PER_S
    assert max_requests_per_s(None) == MAX_REQUESTS_PER_S


@pytest.mark.parametrize(
    ("number", "fault"), [(11, None), (12, NOT_YET), (0, None), (-2, None), (-3, TOO_EARLY), (-1_000_000, TOO_EARLY)]
)
def test_a_second_is_of_the_run(number: int, fault: str | None) -> None:
    """A second outside of the run is refused, as far as the node's clock is known."""
    assert check_time(number, 10.2, 0.5) == fault


@pytest.mark.parametrize(("age_ms", "fault"), [(11_500.0, None), (11_600.0, OLDER_THAN_RUN), (1e9, OLDER_THAN_RUN)])
def test_no_request_in_flight_was_sent_before_the_run_began(age_ms: float, fault: str | None) -> None:
    """A request in flight that is older than the run is refused, as far as the node's clock is known."""
    assert check_ages(second(endpoint(waiting_max_ms=age_ms)), 9, 0.5) == fault
    assert check_ages(second(), 9, 0.5) is None
