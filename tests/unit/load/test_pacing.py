"""A schedule keeps its due times whatever the tasks take, and each task is either run or counted as missed."""

from __future__ import annotations

import math
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.pacing import Pacing, Schedule, constant_pacing, constant_throughput

# Of which sums are exact in floating point, so that a bound that is met exactly is not a matter of rounding.
ticks = st.integers(0, 1 << 20).map(lambda number: number / 1024)
periods = st.integers(1, 1 << 14).map(lambda number: number / 1024)
durations = st.lists(st.integers(0, 1 << 14).map(lambda number: number / 1024), max_size=60)


class Played:
    """A user on a simulated clock, whose tasks take the given times."""

    def __init__(self, schedule: Schedule, start_s: float, takes_s: list[float]) -> None:
        self.schedule = schedule
        self.due_s = [start_s]
        self.begun_s = [start_s]
        self.ended_s: list[float] = []
        self.missed: list[int] = []
        now_s = start_s
        for take_s in takes_s:
            now_s += take_s
            self.ended_s.append(now_s)
            self.missed.append(schedule.advance(now_s))
            now_s = max(now_s, schedule.due_s)
            self.due_s.append(schedule.due_s)
            self.begun_s.append(now_s)

    @property
    def late_s(self) -> list[float]:
        """Return how late each task began."""
        return [begun_s - due_s for begun_s, due_s in zip(self.begun_s, self.due_s, strict=True)]


def play(takes_s: list[float], *, start_s: float = 100.0, period_s: float = 1.0, max_behind_s: float = 60.0) -> Played:
    return Played(Schedule(start_s, period_s, max_behind_s), start_s, takes_s)


def test_tasks_in_time_begin_a_period_apart_however_long_they_take() -> None:
    played = play([0.25, 0.75, 0.0, 0.5])
    assert played.begun_s == [100, 101, 102, 103, 104]
    assert (played.late_s, played.missed) == ([0] * 5, [0] * 4)


def test_a_task_that_ends_when_the_next_is_due_makes_nothing_late() -> None:
    played = play([1.0, 1.0])
    assert (played.begun_s, played.late_s) == ([100, 101, 102], [0, 0, 0])


def test_after_one_long_task_those_that_were_due_follow_without_pause_until_none_is_late() -> None:
    """After a task from 100 to 103.5 s those due at 101, 102 and 103 begin late, the one due at 104 on time."""
    played = play([3.5, 0.125, 0.125, 0.125, 0.125])
    assert played.begun_s == [100, 103.5, 103.625, 103.75, 104, 105]
    assert played.late_s == [0, 2.5, 1.625, 0.75, 0, 0]
    assert played.missed == [0] * 5


def test_a_user_whose_tasks_all_take_too_long_gets_later_with_each() -> None:
    assert play([1.5] * 4).late_s == [0, 0.5, 1, 1.5, 2]


def test_what_is_too_late_is_missed_and_the_rest_made_up_for() -> None:
    """At 110 s, with 2 s allowed, the tasks due from 101 to 107 are missed, and the one of 108 is run."""
    played = play([10.0, 0.125], max_behind_s=2.0)
    assert played.missed == [7, 0]
    assert played.due_s == [100, 108, 109]
    assert played.schedule.missed == 7


def test_without_patience_a_user_leaves_out_all_that_it_is_late_for_and_stays_on_its_times() -> None:
    """With max_behind_s of 0 all late tasks are missed; one that is due this moment is not late."""
    played = play([3.5, 1.0, 2.0], max_behind_s=0.0)
    assert played.begun_s == [100, 104, 105, 107]
    assert played.missed == [3, 0, 1]


def test_a_bound_shorter_than_the_period_lets_a_task_be_that_late() -> None:
    played = play([1.25, 1.75], max_behind_s=0.5)
    assert (played.late_s, played.missed) == ([0, 0.25, 0], [0, 1])


def test_a_user_may_be_behind_for_ever_if_it_is_told_so() -> None:
    played = play([1_000_000.0], max_behind_s=math.inf)
    assert (played.late_s, played.missed) == ([0, 999_999], [0])


@given(ticks, periods, st.one_of(ticks, st.just(math.inf)), durations)
def test_every_task_due_is_made_or_missed_and_never_both(
    start_s: float, period_s: float, max_behind_s: float, takes_s: list[float]
) -> None:
    """The tasks that were run and those that were missed are together all that were due, each once."""
    played = Played(Schedule(start_s, period_s, max_behind_s), start_s, takes_s)
    numbers = [(due_s - start_s) / period_s for due_s in played.due_s]
    assert numbers == [int(number) for number in numbers]
    assert [after - before - 1 for before, after in pairwise(numbers)] == played.missed
    assert numbers[-1] + 1 == len(played.begun_s) + sum(played.missed)
    assert played.schedule.missed == sum(played.missed)


@given(ticks, periods, st.one_of(ticks, st.just(math.inf)), durations)
def test_none_begins_early_or_later_than_the_bound_and_none_is_missed_that_need_not_be(
    start_s: float, period_s: float, max_behind_s: float, takes_s: list[float]
) -> None:
    played = Played(Schedule(start_s, period_s, max_behind_s), start_s, takes_s)
    assert all(0 <= late_s <= max_behind_s for late_s in played.late_s)
    for ended_s, due_s, missed in zip(played.ended_s, played.due_s[1:], played.missed, strict=True):
        if missed:
            assert ended_s - (due_s - period_s) > max_behind_s


@given(ticks, periods, durations)
def test_no_user_pauses_while_it_is_behind(start_s: float, period_s: float, takes_s: list[float]) -> None:
    """A user that is behind does not pause, and begins no task before the one before it has ended."""
    played = Played(Schedule(start_s, period_s, math.inf), start_s, takes_s)
    for ended_s, begun_s, late_s in zip(played.ended_s, played.begun_s[1:], played.late_s[1:], strict=True):
        assert begun_s == ended_s if late_s else begun_s >= ended_s


class Holder:
    """A user 90 s after it was made, as Locust notes it on the clock of perf_counter."""

    pacing_schedule: Schedule

    def __init__(self) -> None:
        self._cp_last_run = time.perf_counter() - 90


def test_a_pacing_is_called_as_the_method_of_each_user_and_each_has_its_own_schedule() -> None:
    """A pacing is called as a method of each user, with a schedule of its own; on the class it counts what all users missed."""

    class Visitor(Holder):
        wait_time = constant_pacing(1.0, max_behind_s=0.0)

    first, second = Visitor(), Visitor()
    assert 0 <= first.wait_time() <= 1
    assert 0 <= second.wait_time() <= 1
    assert first.pacing_schedule is not second.pacing_schedule
    assert isinstance(Visitor.wait_time, Pacing)
    assert Visitor.wait_time.missed == first.pacing_schedule.missed + second.pacing_schedule.missed
    assert first.pacing_schedule.missed >= 90


def test_a_throughput_is_the_inverse_of_a_pacing() -> None:
    """A throughput of four tasks a second is a pacing of a quarter of a second."""

    class Visitor(Holder):
        wait_time = constant_throughput(4)

    visitor = Visitor()
    due_s = []
    for _ in range(3):
        assert visitor.wait_time() == 0
        due_s.append(visitor.pacing_schedule.due_s)
    assert [after - before for before, after in pairwise(due_s)] == pytest.approx([0.25, 0.25])


def test_a_stall_of_a_minute_is_made_up_for_unless_told_otherwise() -> None:
    """By default a user catches up after a stall of 60 s; of one of 90 s the first 30 s are missed."""
    for pacing in (constant_pacing(1), constant_throughput(1)):
        visitor = type("Visitor", (Holder,), {"wait_time": pacing})()
        assert visitor.wait_time() == 0
        assert visitor.pacing_schedule.missed == pytest.approx(30, abs=1)


@pytest.mark.parametrize("period_s", [0, -1, math.inf, math.nan])
def test_a_period_that_is_none_is_refused(period_s: float) -> None:
    with pytest.raises(ValueError, match="period"):
        constant_pacing(period_s)


@pytest.mark.parametrize("max_behind_s", [-0.1, math.nan])
def test_a_bound_that_is_none_is_refused(max_behind_s: float) -> None:
    with pytest.raises(ValueError, match="max_behind_s"):
        constant_pacing(1, max_behind_s=max_behind_s)


@pytest.mark.parametrize("tasks_per_s", [0, -1, math.nan])
def test_a_rate_that_is_none_is_refused(tasks_per_s: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        constant_throughput(tasks_per_s)


def test_a_schedule_knows_since_when_its_user_is_behind() -> None:
    """A schedule knows since when its user is behind: when the last task that began on time was due."""
    schedule = Schedule(100.0, 1.0, 60.0)
    seen = []
    for now_s in (100.5, 103.5, 103.6, 103.7, 103.8):
        schedule.advance(now_s)
        seen.append((schedule.due_s, schedule.in_time_s))
    assert seen == [(101, 101), (102, 101), (103, 101), (104, 104), (105, 105)]
