"""Users of the open model wait for an arrival wherever Locust's would pause, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import gevent
import pytest
from gevent.pool import Group
from locust import SequentialTaskSet, TaskSet, User, constant, task
from locust import constant_pacing as stock_pacing
from locust.env import Environment
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING, DefaultTaskSet
from locust.user.users import PytestUser

from worker.load.arrivals.starter import ArrivalStarter
from worker.load.arrivals.users import LoopOfItsOwnError, have_users_wait
from worker.load.histogram import ArrivalTally
from worker.pacing import constant_pacing


class Due(NamedTuple):
    due_s: float
    user_class: str


class Play:
    """A worker of which the test says when an arrival is due."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.tally = ArrivalTally()
        self.errors: list[str] = []
        self.group = Group()
        self._due: list[Due] = []
        self.starter = ArrivalStarter(
            lambda: self._due.pop(0) if self._due else None, lambda *_: self.tally, lambda: self.now_s
        )

    def user(self, kind: type[User]) -> Any:
        """Start a user, and return it when it waits, or has ended."""
        have_users_wait([kind])
        environment = Environment(user_classes=[kind], catch_exceptions=True)
        environment.runner = SimpleNamespace(arrivals=SimpleNamespace(starter=self.starter))
        environment.events.user_error.add_listener(lambda exception, **_: self.errors.append(repr(exception)))
        user = kind(environment)
        user.start(self.group)
        self.settle()
        return user

    def arrive(self, kind: type[User], times: int = 1) -> None:
        """Have so many arrivals be due now, one after the other."""
        for _ in range(times):
            self.make_due(kind)
            self.settle()

    def make_due(self, kind: type[User], *, looked_at: bool = True) -> None:
        """Have an arrival be due, which is looked at as soon as the event loop has its turn, or never."""
        self._due.append(Due(self.now_s, kind.__name__))
        if looked_at:
            gevent.get_hub().loop.run_callback(self.starter.step)

    def look_again(self) -> None:
        """Look for waits that are over."""
        gevent.get_hub().loop.run_callback(self.starter.step)
        self.settle()

    @staticmethod
    def settle() -> None:
        """Let all that can go on go on."""
        for _ in range(5):
            gevent.sleep(0)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    monkeypatch.setattr(TaskSet, "wait", TaskSet.wait)
    monkeypatch.setattr(DefaultTaskSet, "on_start", DefaultTaskSet.on_start)
    played = Play()
    yield played
    played.group.kill()


class Noting(User):
    """A user that notes what it does."""

    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.done: list[str] = []
        self.asked_for_a_pause = 0

    def wait_time(self) -> float:
        self.asked_for_a_pause += 1
        return 0.0

    def on_start(self) -> None:
        self.done.append("on_start")

    def on_stop(self) -> None:
        self.done.append("on_stop")


class Plain(Noting):
    """A user with one task."""

    @task
    def act(self) -> None:
        self.done.append(f"task, {self._state}")


def test_each_arrival_is_one_task_and_on_start_comes_before_the_first(play: Play) -> None:
    """Between arrivals a user is in the state of one that pauses; how long it would pause is not asked."""
    user = play.user(Plain)
    assert (user.done, user._state) == (["on_start"], LOCUST_STATE_WAITING)
    play.arrive(Plain, 2)
    assert user.done == ["on_start", *[f"task, {LOCUST_STATE_RUNNING}"] * 2]
    assert (user._state, user.asked_for_a_pause) == (LOCUST_STATE_WAITING, 0)
    assert play.tally.started == 2


class Shop(TaskSet):
    """A task set that is left in turn at once, and after a wait."""

    wait_time = constant(3600)
    visits = 0

    def on_start(self) -> None:
        self.user.done.append("enter")

    def on_stop(self) -> None:
        self.user.done.append("leave")

    @task
    def look(self) -> None:
        self.user.done.append("look")
        self.user.looks += 1
        if self.user.looks % 2 == 0:
            self.interrupt(reschedule=self.user.looks % 4 == 0)


class Nested(Noting):
    """A user all of whose tasks are in a task set."""

    tasks = (Shop,)
    looks = 0


def test_a_task_set_is_entered_within_an_arrival_and_each_task_in_it_is_one(play: Play) -> None:
    """Where it is left for another task at once, that is part of the same arrival; else it is the next one's."""
    user = play.user(Nested)
    assert user.done == ["on_start"]
    steps = (["enter", "look"], ["look", "leave"], ["enter", "look"], ["look", "leave", "enter", "look"])
    for expected in steps:
        before = len(user.done)
        play.arrive(Nested)
        assert user.done[before:] == expected
    assert play.tally.started == 4


class Steps(SequentialTaskSet):
    """Tasks in order."""

    @task
    def first(self) -> None:
        self.user.done.append("first")

    @task
    def second(self) -> None:
        self.user.done.append("second")

    @task
    def third(self) -> None:
        self.user.done.append("third")
        self.interrupt(reschedule=False)


class Sequential(Noting):
    """A user that takes steps."""

    tasks = (Steps,)


def test_a_sequence_takes_one_step_with_each_arrival(play: Play) -> None:
    user = play.user(Sequential)
    play.arrive(Sequential, 4)
    assert user.done == ["on_start", "first", "second", "third", "first"]


class Failing(Noting):
    """A user whose task raises."""

    @task
    def act(self) -> None:
        self.done.append("task")
        raise KeyError("id")


def test_a_task_that_raises_is_an_arrival_and_the_user_waits_for_the_next(play: Play) -> None:
    user = play.user(Failing)
    play.arrive(Failing, 2)
    assert user.done == ["on_start", "task", "task"]
    assert play.errors == ["KeyError('id')"] * 2
    assert user._state == LOCUST_STATE_WAITING


class Ending(Noting):
    """A user that ends itself."""

    @task
    def act(self) -> None:
        raise StopUser


def test_a_user_that_ends_itself_gives_up_its_place(play: Play) -> None:
    user = play.user(Ending)
    play.arrive(Ending)
    assert user.done == ["on_start", "on_stop"]
    play.arrive(Ending)
    play.now_s += 1.0
    play.look_again()
    assert (play.tally.started, play.tally.missed) == (1, 1)


def test_a_user_that_is_killed_while_it_waits_gives_up_its_place(play: Play) -> None:
    user, other = play.user(Plain), play.user(Plain)
    user.greenlet.kill()
    assert user.done == ["on_start", "on_stop"]
    play.arrive(Plain)
    assert len(other.done) == 2


def test_a_user_that_is_to_stop_gets_no_arrival(play: Play) -> None:
    """Not in the moment before its greenlet is told, either, so that none is lost with it."""
    user, other = play.user(Plain), play.user(Plain)
    play.make_due(Plain)
    user._state = LOCUST_STATE_STOPPING
    user.greenlet.kill(block=False)
    play.settle()
    assert user.done == ["on_start", "on_stop"]
    assert len(other.done) == 2
    assert play.tally.started == 1


class Busy(Noting):
    """A user whose task lasts until the test says so."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.may_end = gevent.event.Event()

    @task
    def act(self) -> None:
        self.done.append("begin")
        self.may_end.wait()
        self.may_end.clear()
        self.done.append("end")


def test_a_user_that_is_told_to_stop_in_its_task_ends_after_it(play: Play) -> None:
    """It takes no arrival that waits."""
    user = play.user(Busy)
    play.arrive(Busy, 2)
    user._state = LOCUST_STATE_STOPPING
    user.may_end.set()
    play.settle()
    assert user.done == ["on_start", "begin", "end", "on_stop"]
    play.now_s += 1.0
    play.look_again()
    assert (play.tally.started, play.tally.missed) == (1, 1)


def test_a_user_that_gets_free_takes_the_arrival_that_waits_for_one(play: Play) -> None:
    """Its clients know then how long that has waited; of one that starts at once they are told nothing."""
    user = play.user(Busy)
    play.arrive(Busy, 2)
    assert user.due_task.intended_s is None
    play.now_s += 0.004
    user.may_end.set()
    play.settle()
    assert user.done == ["on_start", "begin", "end", "begin"]
    assert user.due_task.waited_s == pytest.approx(0.004)
    assert user.due_task.intended_s == user.due_task.behind_since_s == 100.0
    assert user.due_task.take_waited_s() == pytest.approx(0.004)
    assert user.due_task.take_waited_s() == 0.0


def test_what_a_task_without_a_request_left_is_not_the_next_one_s(play: Play) -> None:
    user = play.user(Busy)
    play.arrive(Busy, 2)
    play.now_s += 0.004
    for _ in range(2):
        user.may_end.set()
        play.settle()
    assert user._state == LOCUST_STATE_WAITING
    assert user.due_task.take_waited_s() == 0.0


def test_a_user_that_gets_free_starts_what_is_due_and_has_not_been_looked_at(play: Play) -> None:
    """Once; then the event loop has its turn, also where tasks never pause."""
    user = play.user(Busy)
    play.arrive(Busy)
    play.make_due(Busy, looked_at=False)
    user.may_end.set()
    play.settle()
    assert user.done == ["on_start", "begin", "end", "begin"]
    restless = play.user(Plain)
    play.make_due(Plain)
    for _ in range(50):
        play.make_due(Plain, looked_at=False)
    gevent.sleep(0)
    assert 1 <= sum(step.startswith("task") for step in restless.done) <= 5


class Pausing(Noting):
    """A user that asks for pauses in the middle of its task."""

    @task
    def act(self) -> None:
        self.done.append("before")
        self.wait()
        self.done.append("after")


class PausingSteps(TaskSet):
    """The same in a task set."""

    @task
    def act(self) -> None:
        self.user.done.append("before")
        self.wait()
        self.user.wait()
        self.user.done.append("after")


class PausingInside(Noting):
    """A user of it."""

    tasks = (PausingSteps,)


@pytest.mark.parametrize(("kind", "pauses"), [(Pausing, 1), (PausingInside, 2)])
def test_a_pause_within_a_task_is_part_of_it_and_no_arrival(play: Play, kind: type[Noting], pauses: int) -> None:
    user = play.user(kind)
    play.arrive(kind)
    assert user.done == ["on_start", "before", "after"]
    assert user.asked_for_a_pause == pauses
    assert play.tally.started == 1


class PausingFirst(Plain):
    """A user that asks for a pause before its first task."""

    def on_start(self) -> None:
        self.wait()
        super().on_start()


def test_a_pause_in_on_start_is_one_too(play: Play) -> None:
    user = play.user(PausingFirst)
    assert (user.done, user.asked_for_a_pause) == (["on_start"], 1)
    play.arrive(PausingFirst)
    assert len(user.done) == 2


@pytest.mark.parametrize("pacing", [constant_pacing, stock_pacing])
def test_a_pacing_has_no_say_and_changes_no_due_time(play: Play, pacing: Any) -> None:
    """It says how long a pause within a task lasts, no more."""
    kind = type("Paced", (Pausing,), {"wait_time": pacing(0.001)})
    user = play.user(kind)
    play.arrive(kind)
    gevent.sleep(0.01)
    assert user.done == ["on_start", "before", "after"]
    user.due_task.begin_arrival(100.0, 0.5)
    user._taskset_instance.schedule_task(lambda user: user.wait())
    user._taskset_instance.execute_next_task()
    assert user.due_task.take_waited_s() == 0.5


class Overriding(TaskSet):
    """A task set that does something before it waits."""

    @task
    def act(self) -> None:
        self.user.done.append("task")

    def wait(self) -> None:
        self.user.done.append("wait")
        super().wait()


class OverridingUser(Noting):
    """A user of it."""

    tasks = (Overriding,)


def test_a_task_set_may_have_a_wait_of_its_own_around_locust_s(play: Play) -> None:
    user = play.user(OverridingUser)
    play.arrive(OverridingUser, 2)
    assert user.done == ["on_start", "task", "wait", "task", "wait"]


def test_a_user_with_a_loop_of_its_own_is_refused(play: Play) -> None:
    """It would make requests without any arrival."""
    with pytest.raises(LoopOfItsOwnError, match="PytestUser has a loop of its own"):
        play.user(PytestUser)
