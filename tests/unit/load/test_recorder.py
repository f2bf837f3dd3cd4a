"""Every request is reported exactly once, in the second in which it ended, with its failure."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import gevent
import msgspec
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from worker.load.histogram import Histogram
from worker.load.loop_lag import LagSecond, LoopLag
from worker.load.recorder import MAX_ERROR_LENGTH, MAX_ERRORS_PER_REPORT, MAX_NAME_LENGTH, Recorder
from worker.load.request_event import RequestEvent
from worker.wire.messages import encode
from worker.wire.reports import Report


class Clock:
    """A clock that the test moves."""

    def __init__(self, now_s: float = 100.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


class KnownLag(LoopLag):
    """A loop whose lag in each second is as many ms as the second has hundredths."""

    def second(self, second: int) -> LagSecond:
        lag = LagSecond()
        lag.histogram.add(second / 100)
        lag.cpu_percent = second / 2
        return lag


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> Recorder:
    return Recorder(KnownLag(), clock)


@dataclass(frozen=True)
class Request:
    name: str
    latency_ms: float
    received_bytes: int
    failed: bool


@dataclass(frozen=True)
class Take:
    final: bool = False


pauses = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.75])
steps = st.lists(
    pauses
    | st.builds(Take, st.booleans())
    | st.builds(
        Request,
        st.sampled_from(["/a", "/b"]),
        st.floats(0, 10_000),
        st.integers(0, 1000),
        st.booleans(),
    ),
    max_size=60,
)


@given(steps)
def test_every_request_is_in_exactly_one_report(steps: list[Any]) -> None:
    """Every request is in exactly one report, whatever the order of requests, failures, pauses and reports, also final ones."""
    clock = Clock()
    recorder = Recorder(KnownLag(), clock)
    expected: Counter[tuple[int, str, str]] = Counter()
    latencies: dict[tuple[int, str, bool], Histogram] = {}
    errors: Counter[str] = Counter()
    reports: list[Report] = []
    for step in [*steps, Take(final=True)]:
        match step:
            case Take(final=final):
                reports.append(recorder.make_report({"User": 1}, final=final))
                assert final or all(row.second < int(clock()) for row in reports[-1].seconds)
            case Request():
                second = int(clock())
                error = ValueError("no") if step.failed else None
                recorder.record("GET", step.name, step.latency_ms, step.received_bytes, error)
                expected[second, step.name, "total"] += 1
                expected[second, step.name, "bytes"] += step.received_bytes
                latencies.setdefault((second, step.name, step.failed), Histogram()).add(step.latency_ms)
                if step.failed:
                    expected[second, step.name, "failed"] += 1
                    errors[step.name] += 1
            case pause_s:
                clock.now_s += pause_s
    found: Counter[tuple[int, str, str]] = Counter()
    handed_over: dict[tuple[int, str, bool], Histogram] = {}
    for report in reports:
        for row in report.seconds:
            for entry in row.endpoints:
                found[row.second, entry.name, "total"] += entry.total
                found[row.second, entry.name, "failed"] += entry.failed
                found[row.second, entry.name, "bytes"] += entry.received_bytes
                for failed, part in (
                    (False, Histogram(entry.buckets, entry.max_ms)),
                    (True, Histogram(entry.failed_buckets, entry.failed_max_ms)),
                ):
                    handed_over.setdefault((row.second, entry.name, failed), Histogram()).merge(part)
    assert found == expected
    assert {key: (value.buckets, value.max_ms) for key, value in handed_over.items() if value.buckets} == {
        key: (value.buckets, value.max_ms) for key, value in latencies.items()
    }
    assert [error for report in reports for error in report.errors if error.error != "no"] == []
    assert errors == sum((Counter({row.name: row.count}) for report in reports for row in report.errors), Counter())
    assert recorder.requests_total == sum(histogram.count for histogram in latencies.values())


def test_a_second_is_reported_when_it_is_over_and_idle_ones_too(recorder: Recorder, clock: Clock) -> None:
    """Each second is reported once it is over, also an idle one, with its lag and CPU, which tell if the worker was fit."""
    clock.now_s = 101.5
    recorder.record("GET", "/", 5.0, 10)
    clock.now_s = 103.9
    recorder.record("GET", "/", 7.0, 10)
    report = recorder.make_report({"User": 2})
    assert (report.sent_s, report.users) == (103.9, {"User": 2})
    assert [(row.second, len(row.endpoints)) for row in report.seconds] == [(100, 0), (101, 1), (102, 0)]
    assert [(row.lag_max_ms, row.cpu_percent) for row in report.seconds] == [(1.0, 50.0), (1.01, 50.5), (1.02, 51.0)]
    assert recorder.make_report({}).seconds == []
    clock.now_s = 104.0
    assert [(row.second, row.endpoints[0].max_ms) for row in recorder.make_report({}).seconds] == [(103, 7.0)]


def test_the_final_report_has_the_second_that_is_not_over(recorder: Recorder, clock: Clock) -> None:
    """The final report includes the second under way, since no report comes after it."""
    clock.now_s = 100.25
    recorder.record("GET", "/", 5.0, 10)
    assert recorder.make_report({}).seconds == []
    assert [row.second for row in recorder.make_report({}, final=True).seconds] == [100]


def test_a_report_that_is_kept_stays_as_it_was_taken(clock: Clock) -> None:
    """A stored report does not change when a stall's probes are added to its seconds later, so that it can be sent again."""
    lag = LoopLag(clock, lambda: 0.0)
    recorder = Recorder(lag, clock)
    lag._at(int(clock())).histogram.add(1.0)
    clock.now_s += 1.0
    report = recorder.make_report({})
    before = encode(report)
    lag._at(report.seconds[-1].second).histogram.add(3000.0)
    assert encode(report) == before


def test_the_caller_may_say_when_a_request_ended(recorder: Recorder, clock: Clock) -> None:
    """A request that is recorded with its time of end counts in that second, with its failure."""
    clock.now_s = 101.001
    recorder.record("GET", "/a", 5.0, 0, "late", 100.999)
    recorder.record("GET", "/b", 5.0, 0)
    report = recorder.make_report({}, final=True)
    assert [(row.second, entry.name, entry.failed) for row in report.seconds for entry in row.endpoints] == [
        (100, "/a", 1),
        (101, "/b", 0),
    ]


def test_a_request_after_the_final_report_is_in_the_next(recorder: Recorder) -> None:
    """A request after the final report is in the next report, in a second that begins anew."""
    recorder.record("GET", "/", 5.0, 0)
    recorder.make_report({}, final=True)
    recorder.record("GET", "/", 5.0, 0)
    assert [row.endpoints[0].total for row in recorder.make_report({}, final=True).seconds if row.endpoints] == [1]


def test_different_errors_are_capped_and_none_goes_uncounted(recorder: Recorder) -> None:
    """Different errors beyond the cap count together, and the next report starts with none."""
    for number in range(MAX_ERRORS_PER_REPORT + 50):
        for _ in range(2):
            recorder.record("GET", "/", 1.0, 0, f"error {number}")
    errors = recorder.make_report({}).errors
    assert len(errors) == MAX_ERRORS_PER_REPORT + 1
    assert errors[-1].error.startswith("further errors")
    assert (errors[0].count, errors[-1].count) == (2, 100)
    assert recorder.make_report({}).errors == []


@pytest.mark.parametrize(
    ("error", "text"), [(ValueError("bad"), "bad"), ("x" * 999, "x" * MAX_ERROR_LENGTH), (ValueError(), "ValueError()")]
)
def test_an_error_is_told_in_bounded_text(recorder: Recorder, error: object, text: str) -> None:
    """An error is reported by the exception's message, cut if too long, and also when the message is empty."""
    recorder.record("GET", "/", 1.0, 0, error)
    assert [row.error for row in recorder.make_report({}).errors] == [text]


def test_a_name_that_is_too_long_is_cut_for_request_and_failure_alike(recorder: Recorder) -> None:
    """A name that is too long for the wire is cut, for the request and its failure alike, and the report is sent."""
    for error in ("no", None):
        recorder.record("GET", "/" + "x" * 2000, 1.0, 0, error)
    report = recorder.make_report({}, final=True)
    (entry,) = report.seconds[0].endpoints
    assert (len(entry.name), entry.total, entry.failed) == (MAX_NAME_LENGTH, 2, 1)
    assert report.errors[0].name == entry.name


FIRED = {"request_type": "GET", "name": "/", "response_time": 2.0, "response_length": 7, "exception": None, "url": "x"}


def test_the_event_counts_and_then_tells_who_listens(recorder: Recorder) -> None:
    """A listener gets all fields of an event; one that fails harms neither the count nor the next listener."""
    event = RequestEvent(recorder)
    heard: list[dict[str, Any]] = []
    event.add_listener(lambda **_: 1 / 0)
    event.add_listener(lambda **told: heard.append(told))
    event.fire(**FIRED)
    (entry,) = recorder.make_report({}, final=True).seconds[0].endpoints
    assert (entry.total, entry.failed, entry.received_bytes, entry.max_ms) == (1, 0, 7, 2.0)
    assert heard == [FIRED]


@pytest.mark.parametrize("latency_ms", [None, -1.0, float("nan"), float("inf"), "fast", 10**400])
def test_a_request_without_a_response_time_counts_and_stays_out_of_the_percentiles(
    recorder: Recorder, latency_ms: Any
) -> None:
    """A request without a response time counts and stays out of percentiles; an invalid time, other than None, is an error too."""
    RequestEvent(recorder).fire(**FIRED | {"response_time": latency_ms, "response_length": None})
    report = recorder.make_report({}, final=True)
    encode(report)
    (entry,) = report.seconds[0].endpoints
    assert (entry.total, entry.without_latency, entry.received_bytes, entry.max_ms, entry.buckets) == (1, 1, 0, 0.0, {})
    assert [error.error.partition("=")[0] for error in report.errors] == (
        [] if latency_ms is None else ["response_time"]
    )


def test_an_event_without_a_length_is_counted(recorder: Recorder) -> None:
    """An event without a length is counted, since Locust's listeners do not require one."""
    RequestEvent(recorder).fire(**{key: value for key, value in FIRED.items() if key != "response_length"})
    assert recorder.make_report({}, final=True).seconds[0].endpoints[0].received_bytes == 0


def test_a_failure_s_time_is_kept_apart_from_those_of_answers(recorder: Recorder) -> None:
    """The time of a failure is kept apart from those of answers, so that a quick error improves no percentile."""
    recorder.record("GET", "/", 50.0, 10)
    recorder.record("GET", "/", 0.1, 0, ValueError("status"))
    (entry,) = recorder.make_report({}, final=True).seconds[0].endpoints
    assert (entry.total, entry.failed, entry.max_ms, entry.failed_max_ms) == (2, 1, 50.0, 0.1)
    assert sum(entry.buckets.values()) == sum(entry.failed_buckets.values()) == 1


@pytest.mark.parametrize(
    "error",
    [TimeoutError("30 s"), requests.exceptions.ReadTimeout(), gevent.Timeout(3)],
    ids=lambda error: type(error).__name__,
)
def test_a_timeout_is_told_with_when_it_was_sent_and_how_old_it_was(
    recorder: Recorder, clock: Clock, error: BaseException
) -> None:
    """A timeout is reported with when it was sent and its age, in no second's counts, since the controller chooses the second."""
    clock.now_s = 130.5
    recorder.record("GET", "/slow", 28_000.0, 0, error)
    report = recorder.make_report({}, final=True)
    assert [(row.name, row.sent, row.ended, row.total, row.max_ms) for row in report.unanswered] == [
        ("/slow", 102, 130, 1, 28_000.0)
    ]
    assert [entry for second in report.seconds for entry in second.endpoints] == []
    assert recorder.requests_total == 1


@dataclass(frozen=True)
class Sent:
    """A request in flight."""

    method: str
    counted_as: str
    sent_s: float | None


def test_what_is_in_flight_at_the_end_of_a_second_is_told_with_its_age(recorder: Recorder, clock: Clock) -> None:
    """A second has the number of its requests in flight, and the ages of those waiting for a second or longer."""
    recorder.in_flight.update({Sent("GET", "/a", 100.5), Sent("GET", "/a", 102.9), Sent("GET", "/b", None)})
    clock.now_s = 103.002
    recorder.end_second(7)
    clock.now_s = 103.4
    row = recorder.make_report({}).seconds[-1]
    assert (row.second, row.users) == (102, 7)
    assert {entry.name: (entry.total, entry.in_flight, round(entry.waiting_max_ms)) for entry in row.endpoints} == {
        "/a": (0, 2, 2502),
        "/b": (0, 1, 0),
    }


@pytest.mark.parametrize(
    ("usual_ms", "age_s", "failed"),
    [
        pytest.param(5.0, 26.0, True, id="far older than any answer"),
        pytest.param(5.0, 0.5, False, id="younger than a second"),
        pytest.param(15_000.0, 26.0, False, id="not older than answers are there"),
        pytest.param(None, 3.0, True, id="where there has never been an answer"),
    ],
)
def test_a_request_cut_off_with_its_user_fails_if_it_had_waited_for_unusually_long(
    recorder: Recorder, clock: Clock, usual_ms: float | None, age_s: float, failed: bool
) -> None:
    """A request cut off with its user fails if it had waited for unusually long; the outcome of a younger one is unknown."""
    if usual_ms is not None:
        recorder.record("GET", "/a", usual_ms, 0)
    clock.now_s = 104.0
    recorder.make_report({})
    clock.now_s = 140.0
    recorder.note_cut(Sent("GET", "/a", 140.0 - age_s), 140.0)
    report = recorder.make_report({}, final=True)
    assert [(row.sent, row.ended, row.total) for row in report.unanswered] == (
        [(int(140 - age_s), 140, 1)] if failed else []
    )
    assert [row.error for row in report.errors] == (
        [f"no answer after {age_s:.0f} s, when its user was stopped"] if failed else []
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), "EADDRNOTAVAIL"),
        (requests.exceptions.ConnectionError(OSError(errno.EMFILE, "Too many open files")), "EMFILE"),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "can't resolve"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), ""),
    ],
)
def test_what_the_node_itself_lacked_is_told_of_the_second(recorder: Recorder, error: Exception, told: str) -> None:
    """An error from what the node lacks is a failed request and a local error of its second, for the controller to judge."""
    recorder.record("GET", "/", 1.0, 0, error)
    row = recorder.make_report({}, final=True).seconds[0]
    assert (row.local_errors, told in row.local_error, row.endpoints[0].failed) == (bool(told), True, 1)


def test_exceptions_of_users_are_told_by_class_place_and_line(recorder: Recorder) -> None:
    """Exceptions of users count by second, and each is reported once with class, type, message, place and line of the
    user's code.
    """
    for _ in range(3):
        try:
            raise KeyError("id")  # noqa: TRY301
        except KeyError as error:
            recorder.note_exception("Buyer", error, error.__traceback__)
    report = recorder.make_report({}, final=True)
    assert [row.exceptions for row in report.seconds] == [3]
    (row,) = report.exceptions
    assert (row.user_class, row.type, row.message, row.count) == ("Buyer", "KeyError", "'id'", 3)
    assert row.place.startswith("test_recorder.py:")
    assert row.line.startswith('raise KeyError("id")')


def test_who_has_requested_is_known_by_class(recorder: Recorder) -> None:
    """A request outside of a user's greenlet has the empty class, since the user is unknown."""
    RequestEvent(recorder).fire(**FIRED)
    assert recorder.make_report({}, final=True).requesting == [""]


@pytest.mark.parametrize(
    ("kernel_latency_ms", "userspace_timed"),
    [
        pytest.param(2.0, 0, id="ended by the kernel"),
        pytest.param(None, 1, id="ended by the process"),
        pytest.param(1.5, 1, id="another time than the client's"),
    ],
)
def test_the_event_takes_a_time_for_the_kernels_only_if_the_response_says_so(
    recorder: Recorder, kernel_latency_ms: float | None, userspace_timed: int
) -> None:
    """A response time counts as the kernel's only if the response says so, which Locust's own never do."""
    event = RequestEvent(recorder)
    event.fire(**FIRED | {"response": SimpleNamespace(kernel_latency_ms=kernel_latency_ms)})
    event.fire(**FIRED | {"response": object(), "name": "/locust"})
    event.fire(**FIRED | {"name": "/none"})
    recorder.record("GET", "/kernel", 5.0, 10)
    entries = recorder.make_report({}, final=True).seconds[0].endpoints
    assert {entry.name: entry.userspace_timed for entry in entries} == {
        "/": userspace_timed,
        "/locust": 1,
        "/none": 1,
        "/kernel": 0,
    }


def test_locust_can_not_reset_what_was_measured(recorder: Recorder) -> None:
    """Locust's resets, at the start of a test and when all users are up, discard nothing that was measured."""
    recorder.record("GET", "/", 1.0, 0)
    recorder.clear_all()
    recorder.reset_all()
    assert recorder.make_report({}, final=True).seconds[0].endpoints[0].total == 1


def test_users_cut_off_add_up_until_they_are_reported(recorder: Recorder) -> None:
    """Users cut off add up over all ramps down until they are reported, and none cut off is no error."""
    for users in (3, 0, 2):
        recorder.note_cut_users(users)
    assert [(error.name, error.count) for error in recorder.make_report({}).errors] == [("user cut off", 5)]
    recorder.note_cut_users(0)
    assert recorder.make_report({}).errors == []


class UnspeakableError(Exception):
    """An exception of a locustfile whose message raises."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("name", "length", "error"),
    [
        pytest.param("/half \ud83d", 1, None, id="half of a surrogate pair in a name"),
        pytest.param("/x", 1, ValueError("half \ud83d"), id="the same in an error"),
        pytest.param("/x", 1, UnspeakableError(), id="an error that can't be shown"),
        pytest.param("/x", 12.5, None, id="a length with a fraction"),
        pytest.param("/x", -1, None, id="a length below nothing"),
        pytest.param("/x", 1 << 60, None, id="a length beyond all"),
        pytest.param("/x", float("nan"), None, id="a length that is none"),
        pytest.param("/x", "many", None, id="a length in words"),
    ],
)
def test_nothing_that_a_locustfile_says_costs_a_report(
    recorder: Recorder, clock: Clock, name: str, length: Any, error: Exception | None
) -> None:
    """Any name, length or error that a locustfile gives is reported, as often as it comes, in a form that the wire accepts."""
    event = RequestEvent(recorder)
    for _ in range(3):
        event.fire(request_type="GET", name=name, response_time=1.0, response_length=length, exception=error)
    clock.now_s += 1
    report = recorder.make_report({})
    (entry,) = [entry for second in report.seconds for entry in second.endpoints]
    assert (entry.total, entry.failed) == (3, 3 if error else 0)
    assert msgspec.msgpack.decode(encode(report), type=Report) == report
