"""One timer has the arrivals of all workers of a process started, in the order in which they are due."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.load.arrivals.starter import ArrivalStarter
from worker.load.arrivals.timer import STEPS_AT_ONCE, ArrivalTimer
from worker.load.histogram import ArrivalTally


@dataclass(frozen=True)
class Due:
    due_s: float
    user_class: str


class Process:
    """A process whose clock the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.alarm_s: float | None = None
        self.started: list[tuple[str, float]] = []
        self._ring: Callable[[], None] = lambda: None
        self.timer = ArrivalTimer(self._make_alarm, lambda: self.now_s)

    def _make_alarm(self, ring: Callable[[], None]) -> Process:
        self._ring = ring
        return self

    def set(self, at_s: float | None) -> None:
        """As Alarm.set."""
        self.alarm_s = at_s

    def worker(self, name: str, due_s: list[float]) -> ArrivalStarter:
        """Return a worker to which these arrivals have been dealt; more may be added to the list."""
        starter = ArrivalStarter(
            lambda: Due(due_s.pop(0), name) if due_s else None, lambda *_: ArrivalTally(), lambda: self.now_s
        )
        for _ in range(200):
            starter.add_free(User(self, name), name)
        self.timer.update(starter)
        return starter

    def pass_time(self, until_s: float) -> None:
        """Ring whenever the alarm is due."""
        while self.alarm_s is not None and self.alarm_s <= until_s:
            self.now_s = max(self.now_s, self.alarm_s)
            self._ring()
        self.now_s = until_s


class User:
    """A free user, which notes when it is started."""

    free = True

    def __init__(self, process: Process, name: str) -> None:
        self._process = process
        self._name = name

    def start(self) -> None:
        self._process.started.append((self._name, self._process.now_s))


@given(st.lists(st.lists(st.integers(0, 50).map(float), max_size=8).map(sorted), max_size=5))
def test_arrivals_of_all_workers_start_in_order(due_by_worker: list[list[float]]) -> None:
    """Each when it is due, and the alarm is not set any more when there are none left."""
    process = Process()
    for number, due_s in enumerate(due_by_worker):
        process.worker(str(number), list(due_s))
    process.pass_time(100.0)
    assert [at_s for _, at_s in process.started] == sorted(chain.from_iterable(due_by_worker))
    for number, due_s in enumerate(due_by_worker):
        assert [at_s for name, at_s in process.started if name == str(number)] == due_s
    assert process.alarm_s is None


def test_what_is_dealt_later_and_due_earlier_is_not_too_late() -> None:
    process, first_s, second_s = Process(), [50.0], list[float]()
    process.worker("a", first_s)
    second = process.worker("b", second_s)
    assert process.alarm_s == 50.0
    second_s.append(20.0)
    process.timer.update(second)
    assert process.alarm_s == 20.0
    process.pass_time(60.0)
    assert process.started == [("b", 20.0), ("a", 50.0)]


def test_when_many_are_due_at_once_the_event_loop_has_its_turn_between_them() -> None:
    """Answers are to be read meanwhile; the alarm rings again at once."""
    process = Process()
    process.worker("a", [1.0] * (STEPS_AT_ONCE + 20))
    process.now_s = 1.0
    process._ring()
    assert len(process.started) == STEPS_AT_ONCE
    assert process.alarm_s == 1.0
    process._ring()
    assert len(process.started) == STEPS_AT_ONCE + 20
    assert process.alarm_s is None


def test_an_end_leaves_nothing_to_wait_for() -> None:
    process = Process()
    starter = process.worker("a", [1.0, 2.0])
    process.pass_time(1.5)
    starter.end(1.5)
    process.timer.update(starter)
    assert process.alarm_s is None
    process.pass_time(9.0)
    assert process.started == [("a", 1.0)]


def test_a_worker_whose_arrivals_can_not_be_worked_out_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    process = Process()
    bad = process.worker("bad", [1.0])
    process.worker("good", [2.0])
    bad._next_arrival = lambda: 1 / 0
    with caplog.at_level(logging.ERROR):
        process.pass_time(3.0)
    assert process.started == [("bad", 1.0), ("good", 2.0)]
    assert "a worker's arrivals can't be started" in caplog.text
