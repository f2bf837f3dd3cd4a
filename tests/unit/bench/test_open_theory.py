"""What theory says of a target that stalls, against figures worked out by hand."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

TESTS = Path(__file__).parents[2]
sys.path += [str(TESTS), str(TESTS / "bench"), str(TESTS / "bench/open")]

from curves_picture import draw  # noqa: E402
from found import Found, differences, found_of, found_of_requests, unevenness  # noqa: E402
from stalling_cases import CASES, PERCENTS  # noqa: E402
from stalls import NEVER, Stalls  # noqa: E402
from theory import Request, Target, closed_model, corrected_connections, open_model, percentile  # noqa: E402

SECOND_IN_TEN = Stalls(2.5, 1.0, 10.0)


@pytest.mark.parametrize(
    ("arrived_s", "answered_s"),
    [
        (0.0, 0.2),
        (2.4, 2.6),
        (2.5, 3.5),
        (3.2, 3.5),
        (3.4, 3.6),
        (3.5, 3.7),
        (12.4, 12.6),
        (12.5, 13.5),
        (103.0, 103.5),
    ],
)
def test_what_arrives_in_a_stall_is_answered_at_its_end(arrived_s: float, answered_s: float) -> None:
    """What arrives in a stall is answered at its end or later; what arrives before and after it is not held."""
    assert SECOND_IN_TEN.answer_s(arrived_s, 0.2) == pytest.approx(answered_s)


def test_a_single_stall_comes_once() -> None:
    """Without a period there is one stall."""
    stalls = Stalls(2.0, 1.0)
    assert [stalls.answer_s(at_s, 0.1) for at_s in (1.0, 2.0, 2.95, 3.0, 1e6)] == pytest.approx(
        [1.1, 3.0, 3.05, 3.1, 1e6 + 0.1]
    )
    assert NEVER.answer_s(5.0, 0.1) == pytest.approx(5.1)


def test_an_open_model_starts_each_arrival_when_it_is_due_and_meets_the_whole_stall() -> None:
    """Of 100 arrivals a second those of the stalled second wait for its end, evenly from 1 s down to the usual time."""
    started, missed_s = open_model(Target(0.2, SECOND_IN_TEN), 100, 200, 10)
    assert (len(started), missed_s) == (1000, [])
    assert all(each.sent_s == each.due_s for each in started)
    latencies = [each.latency_s for each in started]
    assert percentile(latencies, 50) == pytest.approx(0.2)
    assert sum(latency > 0.2 + 1e-9 for latency in latencies) == 80
    assert percentile(latencies, 95) == pytest.approx(1 - 0.01 * 50.5)
    assert max(latencies) == pytest.approx(0.995)


def test_an_open_model_misses_what_no_user_is_free_for() -> None:
    """A target that takes 200 ms serves 20 users 100 times a second: of 200 arrivals a second the other half is missed."""
    started, missed_s = open_model(Target(0.2, NEVER), 200, 20, 10)
    assert len(started) + len(missed_s) == 2000
    assert len(started) == pytest.approx(1000, abs=20)


@given(
    rate_per_s=st.integers(1, 200),
    users=st.integers(1, 60),
    service_s=st.floats(0.001, 0.5),
    length_s=st.floats(0, 2),
    every_s=st.floats(2.5, 9),
)
def test_each_arrival_is_started_or_missed_and_no_more_users_are_busy_than_there_are(
    rate_per_s: int, users: int, service_s: float, length_s: float, every_s: float
) -> None:
    """Started and missed arrivals are those of the schedule, and never are more users busy than there are."""
    started, missed_s = open_model(Target(service_s, Stalls(0.3, length_s, every_s)), rate_per_s, users, 5)
    due_s = sorted([*missed_s, *(each.due_s for each in started)])
    assert due_s == [(number + 0.5) / rate_per_s for number in range(5 * rate_per_s)]
    for each in started:
        assert sum(other.sent_s <= each.sent_s < other.answered_s for other in started) <= users


def test_connections_send_late_what_an_answer_kept_them_from_and_count_from_when_it_was_due() -> None:
    """One connection that is to send each second, and is kept for 2.5 s, sends the next three late; all count from their times."""
    found = corrected_connections(Target(0.1, Stalls(0.4, 2.5)), 1, 1, 5)
    assert [each.due_s for each in found] == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert [each.sent_s for each in found] == pytest.approx([0.5, 2.9, 3.0, 3.5, 4.5])
    assert [each.latency_s for each in found] == pytest.approx([2.4, 1.5, 0.6, 0.1, 0.1])


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_with_connections_enough_the_algorithm_and_the_open_model_meet_the_same(case) -> None:  # noqa: ANN001
    """Where no connection is ever late and no arrival missed, wrk2's algorithm and the open model are one."""
    target = case.target(20.0)
    started, missed_s = open_model(target, case.rate_per_s, case.connections, 60)
    corrected = corrected_connections(target, case.rate_per_s, case.connections, 60)
    assert missed_s == []
    assert [each.latency_s for each in started] == pytest.approx([each.latency_s for each in corrected])


def test_a_closed_model_of_few_users_meets_each_stall_once_a_user() -> None:
    """Of 10 users each is caught once in a stall, however many requests a second they make: 10 long answers, not 100."""
    found = closed_model(Target(0.02, SECOND_IN_TEN), 10, 0.08, 10)
    assert sum(each.latency_s > 0.5 for each in found) == 10
    assert percentile([each.latency_s for each in found], 95) == pytest.approx(0.02)
    assert all(each.latency_s == each.service_time_s for each in found)


def test_a_window_counts_what_is_answered_in_it() -> None:
    """A window has the requests whose answer came in it, wherever they began."""
    requests = [Request(0, 0, 1), Request(1, 1, 1.5), Request(1, 1, 2)]
    found = found_of_requests("a", requests, 1, 2)
    assert (found.requests, found.latency_ms[50.0], found.latency_ms[99.9]) == (2, 500, 1000)


def test_ours_is_off_by_the_share_of_the_others_latency() -> None:
    """2 % more or less than the other's is within the bound, and what was not measured is not compared."""
    other = found_of("b", [100.0])
    for latency_ms, within in ((98.1, True), (101.9, True), (97.9, False), (102.1, False)):
        off = differences(found_of("a", [latency_ms]), other)
        assert [each.percent for each in off] == list(PERCENTS)
        assert {each.within for each in off} == {within}
    assert differences(found_of("a", [1.0]), Found("b", {}, missing="not installed")) == []


def test_arrivals_that_come_in_bunches_are_not_even() -> None:
    """Evenly spread arrivals are even; the same number in bunches is not."""
    even = [number / 200 for number in range(2000)]
    assert unevenness(even, 200, 0, 10) < 0.06
    assert unevenness([math.floor(at_s) for at_s in even], 200, 0, 10) == 1


def test_the_picture_has_a_panel_a_case_and_a_line_a_tool() -> None:
    """Each case has a panel with a line for each tool that was measured, and each tool has a place in the legend."""
    tools = [found_of("one & two", [1.0, 2000.0]), found_of("b", [3.0]), Found("c", {}, missing="not installed")]
    picture = draw([(case, tools) for case in CASES])
    assert picture.count("<polyline") == len(CASES) * 2 + 3
    assert "one &amp; two" in picture
    assert all(case.name in picture for case in CASES)
