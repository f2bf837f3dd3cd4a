"""A real worker process in the open model: it starts the arrivals that a controller deals to it, and reports each exactly once."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from worker_process import WorkerProcess, steady

from worker.load.runner import IDLE_AFTER_S
from worker.wire.work import ArrivalPlan

LOCUSTFILE = Path(__file__).with_name("open_users.py")
CLASSES = ("Quick", "Slow", "Brief", "Leaving")
Start = Callable[[ArrivalPlan | None], WorkerProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the one worker of a test, which has joined."""
    started: list[WorkerProcess] = []

    def start(plan: ArrivalPlan | None) -> WorkerProcess:
        started.append(WorkerProcess(LOCUSTFILE, CLASSES, "http://127.0.0.1:9", plan))
        started[0].join()
        return started[0]

    yield start
    for each in started:
        each.__exit__(None, None, None)


def seconds_of(worker: WorkerProcess, plan: ArrivalPlan) -> Counter[int]:
    """How many arrivals of an even plan are due in each second of the worker's clock, which is this process's, too."""
    rate_per_s, duration_s = plan.segments[0].from_per_s, plan.segments[0].duration_s
    return Counter(int(worker.start_s + (i + 0.5) / rate_per_s) for i in range(round(rate_per_s * duration_s)))


def test_every_arrival_is_started_when_it_is_due_and_reported_once(start: Start) -> None:
    """In the second in which it was due; `on_start` comes before the first arrival, and what a task does counts."""
    plan = steady(100.0, 3.0)
    worker = start(plan)
    worker.run_users({"Quick": 3})
    worker.begin()
    for first in range(0, 300, 100):
        worker.deal(first, first + 100, {"Quick": [0, 1, 2]})
    worker.hear_until_plan(3.5)
    worker.stop()
    found: Counter[int] = Counter()
    for second, tally in worker.arrivals_by_second():
        found[second] += tally.decided
    assert found == seconds_of(worker, plan)
    whole = worker.arrivals("Quick")
    assert (whole.decided, whole.missed) == (300, 0)
    assert whole.lateness.count == whole.started
    assert worker.requests() == {
        "on_start": 3,
        "quick": whole.started,
        "quick, second request": whole.started,
        "on_stop": 3,
    }


def test_only_the_worker_s_own_slots_are_started(start: Start) -> None:
    worker = start(steady(100.0, 1.0))
    worker.run_users({"Quick": 1, "Brief": 1})
    worker.begin()
    worker.deal(0, 100, {"Quick": [1], "Brief": [4, 5]}, period=10)
    worker.hear_until_plan(1.2)
    worker.stop()
    assert worker.arrivals("Quick").decided == 10
    assert worker.arrivals("Brief").decided == 20


def test_arrivals_without_a_free_user_are_missed(start: Start) -> None:
    """Two users that take a second each start two of the fifty of each second, or a few more for a slow machine."""
    worker = start(steady(50.0, 2.0))
    worker.run_users({"Slow": 2})
    worker.begin()
    worker.deal(0, 100, {"Slow": [0, 1]})
    worker.hear_until_plan(2.2)
    worker.stop()
    whole = worker.arrivals()
    assert whole.decided == 100
    assert 2 <= whole.started <= 6
    assert whole.missed >= 90
    assert worker.requests() == {"slow": whole.started}


def test_a_deal_that_can_not_be_meant_is_refused_and_the_load_goes_on(start: Start) -> None:
    """Nothing of it is started; it is counted as an error of its own."""
    worker = start(steady(100.0, 1.0))
    worker.run_users({"Quick": 1})
    worker.begin()
    right = [0, 100, worker.start_s, 0, 1, {"Quick": [0]}]
    wrong = [
        None,
        "arrivals",
        right[:3],
        [0, 1 << 60, *right[2:]],
        [0, 101, *right[2:]],
        [50, 40, *right[2:]],
        [-1, 100, *right[2:]],
        [0, 100, float("nan"), *right[3:]],
        [0, 100, float("inf"), *right[3:]],
        [0, 100, worker.start_s - 3600.0, *right[3:]],
        [0, 100, worker.start_s + 3600.0, *right[3:]],
        [*right[:4], 0, {"Quick": [0]}],
        [*right[:5], {"Quick": [1]}],
        [*right[:5], {"Quick": [-1]}],
        [*right[:4], 2, {"Quick": [0, 0]}],
        [*right[:5], {"Nobody": [0]}],
        [*right[:5], {"Quick": "0"}],
    ]
    for data in wrong:
        worker.send("arrivals", data)
    worker.send("arrivals", right)
    worker.hear_until_plan(1.2)
    worker.stop()
    assert worker.arrivals().decided == 100
    assert sum(worker.errors().values()) == len(wrong)


def test_a_worker_of_the_closed_model_refuses_arrivals(start: Start) -> None:
    worker = start(None)
    worker.run_users({"Quick": 1})
    worker.begin()
    worker.deal(0, 100, {"Quick": [0]})
    worker.stop()
    assert worker.arrivals().decided == 0
    assert sum(worker.errors().values()) == 1


def test_a_stop_decides_what_is_due_and_drops_what_is_not(start: Start) -> None:
    worker = start(steady(100.0, 60.0))
    worker.run_users({"Quick": 1})
    worker.begin()
    worker.deal(0, 6000, {"Quick": [0]})
    worker.hear_until_plan(0.5)
    before_s = time.monotonic()
    worker.stop()
    after_s = time.monotonic()
    due_before, due_after = (int((at_s - worker.start_s) * 100 + 0.5) for at_s in (before_s, after_s))
    assert due_before <= worker.arrivals().decided <= due_after
    assert worker.requests()["quick"] == worker.arrivals().started


def test_users_may_come_and_go_while_arrivals_are_due(start: Start) -> None:
    """None is lost, made twice or left uncounted, whatever it was doing; a user that dies has no part in what comes after."""
    worker = start(steady(200.0, 3.0))
    worker.run_users({"Brief": 4, "Slow": 2, "Leaving": 1})
    worker.begin()
    worker.deal(0, 600, {"Brief": [0, 1, 2, 3], "Slow": [4], "Leaving": [5]}, period=6)
    for users in ({"Brief": 1}, {"Brief": 6, "Slow": 1}, {"Brief": 0, "Slow": 2}, {"Brief": 2, "Slow": 0}):
        worker.run_users({"Brief": 0, "Slow": 0, "Leaving": 1, **users})
        worker.hear_for(0.3)
    worker.hear_until_plan(3.3)
    worker.stop()
    by_class = {name: worker.arrivals(name) for name in ("Brief", "Slow", "Leaving")}
    assert {name: tally.decided for name, tally in by_class.items()} == {"Brief": 400, "Slow": 100, "Leaving": 100}
    requests = worker.requests()
    assert requests["brief"] == by_class["Brief"].started > 100
    assert requests["leaving"] == by_class["Leaving"].started >= 1


def test_what_a_worker_looks_at_too_late_by_its_own_fault_is_told_apart(start: Start) -> None:
    """It was stopped: what was due more than a second ago is given up, the rest starts late, and each counts once, in its second."""
    plan = steady(100.0, 4.0)
    worker = start(plan)
    worker.run_users({"Quick": 2})
    worker.begin()
    worker.deal(0, 400, {"Quick": [0, 1]})
    worker.hear_until_plan(0.5)
    worker.process.send_signal(signal.SIGSTOP)
    worker.hear_for(2.0)
    worker.process.send_signal(signal.SIGCONT)
    worker.hear_until_plan(4.3)
    worker.stop()
    found: Counter[int] = Counter()
    for second, tally in worker.arrivals_by_second():
        found[second] += tally.decided
    assert found == seconds_of(worker, plan)
    whole = worker.arrivals()
    assert whole.given_up >= 90
    assert whole.late >= 80
    assert worker.requests()["quick"] == whole.started


def test_without_a_controller_arrivals_end_with_the_users_and_all_are_told_to_the_next_one(start: Start) -> None:
    """What had been dealt ahead is dropped then; a controller that comes back may go on with other arrivals."""
    worker = start(steady(100.0, 600.0))
    worker.run_users({"Quick": 2})
    worker.begin()
    worker.deal(0, 2000, {"Quick": [0, 1]})
    worker.hear_until_plan(0.5)
    while worker.hear_silently()[0] != "client_ready":  # it gives up a controller that says nothing, and asks for one
        pass
    gone_s = time.monotonic()
    ended_s = worker.sent_s + IDLE_AFTER_S
    assert gone_s >= ended_s
    worker.hear_for(1.0)
    resumed = int((time.monotonic() - worker.start_s) * 100) + 300
    worker.join()
    worker.run_users({"Quick": 2})
    worker.deal(resumed, resumed + 100, {"Quick": [0, 1]})
    worker.hear_until_plan((resumed + 100) / 100 + 0.3)
    worker.stop()
    before = sum(tally.decided for second, tally in worker.arrivals_by_second() if second <= gone_s)
    assert 100 * (ended_s - worker.start_s) - 1 <= before <= 100 * (gone_s - worker.start_s) + 1
    assert worker.arrivals().decided == before + 100
    assert worker.requests()["quick"] == worker.arrivals().started
