"""Of a worker's reports as much is believed as the worker can have done since it was given users."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from master.fleet.ordered_users import ORDER_DELIVERY_S
from master.fleet.refusals import Refusals
from master.fleet.reports.checks import (
    MAX_REQUESTS_PER_S,
    NOT_YET,
    SECOND_TWICE,
    TOO_EARLY,
    TOO_MANY_ARRIVALS,
    TOO_MANY_ERRORS,
    TOO_MANY_REQUESTS,
    TOO_MANY_USERS,
    WorkerLimits,
)
from master.fleet.reports.credible_reports import CREDIT_S, CredibleReport, CredibleReports, ReportClock
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.wire.reports import ArrivalSecond, EndpointSecond, ErrorCount, Report, Unanswered, WorkerSecond

WORKER = "pi1_0"
STOP_S = 10.0
LIMITS = WorkerLimits(1000.0, 3)
NOW = ReportClock(lambda second: second, 100.0, 0.0)


def second(number: int, requests: int = 0, **changes: Any) -> WorkerSecond:
    entries = [EndpointSecond("GET", "/x", requests, 0, 0, 5.0, {431: requests})] if requests else []
    return replace(WorkerSecond(number, 10.0, 0.0, {}, entries), **changes)


def report(rows: Sequence[WorkerSecond], **changes: Any) -> Report:
    return replace(Report(1, 1, 1, 9.5, {"ApiUser": 3}, list(rows), []), **changes)


class Reports:
    """The reports of a run whose one worker was ordered to run some users."""

    def __init__(self, users: dict[str, int] | None = None, **options: Any) -> None:
        self.refused: Counter[str] = Counter()
        refusals = Refusals(self.refused, lambda *_event: None)
        self.credible = CredibleReports(["ApiUser", "Admin"], STOP_S, refusals, **options)
        if users is not None:
            self.credible.order(WORKER, users, 0.0)

    def report(
        self, *rows: WorkerSecond, clock: ReportClock = NOW, worker: str = WORKER, **changes: Any
    ) -> CredibleReport:
        return self.credible.report(worker, report(rows, **changes), LIMITS, clock)

    def told(self, *rows: WorkerSecond, **options: Any) -> list[tuple[int, int]]:
        """Return the seconds that are believed, each with its number of requests."""
        found = self.report(*rows, **options).seconds
        return [(number, sum(entry.total for entry in row.endpoints)) for number, row in found]


def test_a_worker_tells_of_each_second_once_in_a_report() -> None:
    """A report's seconds are taken in order of time, and of a second that is repeated in it the first one counts."""
    reports = Reports()
    assert reports.told(second(8, 1), *[second(9, 2)] * 100, second(7, 4), second(10, 8)) == [(8, 1), (9, 2), (10, 8)]
    assert reports.refused == {SECOND_TWICE: 100}


def test_seconds_are_of_the_run_and_have_been() -> None:
    """Requests from before a run or in the future are refused; those that clock error puts just before count in its
    first second.
    """
    reports = Reports()
    clock = ReportClock(lambda second: second - 50, 20.0, 0.5)
    told = reports.told(
        second(10), second(20, 1), second(48, 2), second(49, 4), second(71, 8), second(72, 1), clock=clock
    )
    assert told == [(0, 2), (0, 4), (21, 8)]
    assert reports.refused == {TOO_EARLY: 1, NOT_YET: 1}


def test_late_requests_are_believed_and_a_second_told_again_and_again_is_not() -> None:
    """The number of requests that are believed adds up with time, so late ones are, and a second told again and again is not."""
    reports = Reports()
    assert [len(reports.told(second(number, 1000))) for number in (5, 6, 7)] == [1, 1, 1]
    again = [len(reports.told(second(6, 1000))) for _ in range(4)]
    assert again == [1, 0, 0, 0]
    assert reports.told(second(8, 1000)) == [(8, 1000)]
    assert reports.told(second(8, 1)) == []
    assert reports.refused == {TOO_MANY_REQUESTS: 4}
    assert reports.told(second(8, 1000), worker="pi1_1") == [(8, 1000)]


def test_requests_without_an_answer_count_like_others() -> None:
    reports = Reports()
    rows = [Unanswered("GET", "/x", 3, 5, 1000, 5.0, {431: 1000})] * 4
    assert [entry[:2] for entry in reports.report(unanswered=rows).unanswered] == [(3, 5), (3, 5)]
    assert reports.refused == {TOO_MANY_REQUESTS: 2}
    late = Unanswered("GET", "/x", 3, 102, 1, 5.0, {431: 1})
    assert reports.report(unanswered=[late]).unanswered == []
    assert reports.refused[NOT_YET] == 1


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2000)), max_size=60))
def test_a_worker_adds_no_more_to_a_run_than_it_can_have_made_until_now(told: list[tuple[int, int]]) -> None:
    """A worker adds no more requests to a run than it can have made until now, in whatever order it reports the seconds."""
    reports = Reports()
    believed = sum(count for number, requests in told for _, count in reports.told(second(number, requests)))
    assert believed <= LIMITS.requests * (CREDIT_S + 1 + max((number for number, _ in told), default=0))


def test_no_more_users_are_believed_than_were_ordered() -> None:
    """No more users are believed than were ordered, and none of a class that the run does not have."""
    reports = Reports({"ApiUser": 3, "Admin": 0})
    assert reports.credible.users(WORKER, {"ApiUser": 2, "Admin": 0}, 5.0) == {"ApiUser": 2, "Admin": 0}
    assert not reports.refused
    told = {"ApiUser": 1 << 32, "Admin": 1, "Nobody": 7}
    assert reports.credible.users(WORKER, told, 5.0) == {"ApiUser": 3, "Admin": 0}
    assert reports.credible.users("pi2_0", {"ApiUser": 1}, 5.0) == {"ApiUser": 0}
    assert reports.refused == {TOO_MANY_USERS: 2}


@pytest.mark.parametrize(("told", "believed"), [(None, None), (3, 3), (1 << 32, 3)])
def test_no_more_users_ran_in_a_second_than_a_worker_can_have(told: int | None, believed: int | None) -> None:
    """A second's number of users is cut to what its worker can have, and its requests stay."""
    reports = Reports()
    ((_, row),) = reports.report(second(5, 1, users=told)).seconds
    assert row.users == believed
    assert reports.refused == ({} if told == believed else {TOO_MANY_USERS: 1})


def test_users_that_were_told_to_stop_may_be_told_of_until_their_tasks_are_done() -> None:
    """Users that were told to stop may be reported beside their successors until their tasks are done; later reports
    may name the peak.
    """
    credible = Reports({"ApiUser": 5}).credible
    credible.order(WORKER, {"ApiUser": 3}, 100.0)
    credible.order(WORKER, {"ApiUser": 5}, 101.0)
    over_s = 100.0 + STOP_S + ORDER_DELIVERY_S
    assert credible.users(WORKER, {"ApiUser": 9}, over_s) == {"ApiUser": 7}
    assert credible.users(WORKER, {"ApiUser": 9}, over_s + 0.1) == {"ApiUser": 5}
    credible.order(WORKER, {"ApiUser": 0}, 200.0)
    assert credible.users(WORKER, {"ApiUser": 9}, 1e6) == {"ApiUser": 5}


def test_what_a_worker_can_make_follows_from_its_users() -> None:
    """The users of a worker limit its requests: each adds one that was under way when a second began; without users
    there are none.
    """
    assert Reports().credible.limits(WORKER, None, 5.0) == WorkerLimits(0.0, 0)
    assert Reports({"ApiUser": 0}).credible.limits(WORKER, None, 5.0) == WorkerLimits(0.0, 0)
    assert Reports({"ApiUser": 3, "Admin": 2}).credible.limits(WORKER, None, 5.0) == WorkerLimits(
        MAX_REQUESTS_PER_S + 5, 5
    )


def test_in_a_run_that_goes_on_requests_may_be_of_another_controllers_users() -> None:
    """In a resumed run late requests of the lost controller's users are believed, and those users themselves only for a
    short time.
    """
    credible = Reports(earlier_users=50, until_s=60.0).credible
    assert credible.limits(WORKER, None, 1e6) == WorkerLimits(MAX_REQUESTS_PER_S + 100, 100)
    assert credible.users(WORKER, {"ApiUser": 51}, 59.0) == {"ApiUser": 50}
    assert credible.users(WORKER, {"ApiUser": 51}, 61.0) == {"ApiUser": 0}


def test_errors_are_no_more_than_requests_can_have_met() -> None:
    """Errors that are more than the requests can have met are left out, and the other errors stay."""
    errors = [ErrorCount("GET", "/x", text, count) for text, count in (("a", 3000), ("b", 1 << 32), ("c", 1000))]
    reports = Reports()
    told = reports.credible.counts(WORKER, errors, report([second(7)]), LIMITS)
    assert [error.error for error in told] == ["a", "c"]
    assert reports.refused == {TOO_MANY_ERRORS: 1}


def test_only_classes_of_the_run_make_requests() -> None:
    """A report's classes are those of the run, or the empty name of a user whose class is not known."""
    said = report([], requesting=["", "ApiUser", "Nobody"])
    Reports().credible.report(WORKER, said, LIMITS, NOW)
    assert said.requesting == ["", "ApiUser"]


_TIMES = st.floats(-1e9, 1e12) | st.sampled_from([0.0, 5.0, 1e300, math.nan])
_ERRORS = st.sampled_from([None, "no", TimeoutError("late"), OSError(24, "too many open files")])


@given(st.lists(st.tuples(st.floats(0, 3), _TIMES, _ERRORS, st.booleans()), max_size=50))
def test_all_that_a_workers_recorder_says_is_believed(requests: list[tuple[float, float, Any, bool]]) -> None:
    """All that a worker's own recorder reports is believed, whatever times a locustfile gives and however late its requests are."""
    now_s = [100.0]
    recorder = Recorder(LoopLag(lambda: now_s[0], lambda: 0.0), lambda: now_s[0])
    reports = Reports({"ApiUser": 50})
    limits = reports.credible.limits(WORKER, None, 0.0)
    counted = 0
    for number, (passed_s, took_ms, error, userspace_timed) in enumerate(requests):
        now_s[0] += passed_s
        if 0 <= took_ms < math.inf:
            recorder.record("GET", "/x", took_ms, 10, error, now_s[0] - passed_s / 2, userspace_timed=userspace_timed)
        else:
            recorder.record_without_latency("GET", "/x", took_ms, 10, error)
        if passed_s > 2 or number == len(requests) - 1:
            told = recorder.make_report({"ApiUser": 1}, final=True)
            clock = ReportClock(lambda second: second - 100, now_s[0] - 100, 0.0)
            believed = reports.credible.report(WORKER, told, limits, clock)
            counted += sum(entry.total for _, row in believed.seconds for entry in row.endpoints)
            counted += sum(row.total for _, _, row in believed.unanswered)
            assert len(list(reports.credible.counts(WORKER, told.errors, told, limits))) == len(told.errors)
    assert counted == len(requests)
    assert not reports.refused


def test_arrivals_of_classes_that_do_not_exist_are_refused() -> None:
    """No class of a node's invention gets into the result: neither with no arrivals, nor with those that another controller dealt."""
    reports = Reports({"ApiUser": 3}, earlier_arrivals=10)
    assert not reports.report(second(3, arrivals=[ArrivalSecond("Nobody", 0, 0)])).seconds
    assert not reports.report(second(4, arrivals=[ArrivalSecond("Nobody", 0, 1)])).seconds
    assert reports.refused[TOO_MANY_ARRIVALS] == 2
    assert reports.report(second(5, arrivals=[ArrivalSecond("Admin", 0, 1)])).seconds
