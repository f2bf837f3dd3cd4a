"""The users of the open model: each waits for an arrival where Locust's would pause.

An arrival is what one user does between two pauses of its own loop (`TaskSet.run`): a task mostly; more where a task set is
interrupted, since its parent goes on without a pause. The first is waited for before the first task, after the user's
`on_start`; the `on_start` of a task set is part of the arrival in which it is entered. Where a user waits, its state is that of
one that pauses, so that it is stopped likewise. `wait_time` has no say in when a task begins.

A task that calls `wait()` itself asks for a pause, and gets it, of its `wait_time`, as the part of its work that it is: no arrival
begins with that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import gevent
from gevent.hub import Waiter
from locust import TaskSet, User
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING, DefaultTaskSet

from worker.due_task import DueTask
from worker.load.arrivals.starter import ArrivalStarter

_LOOP = TaskSet.run.__code__
_pause = TaskSet.wait


class LoopOfItsOwnError(TypeError):
    """A user class never pauses, since it has a loop of its own."""


class UserPlace:
    """The place of one user among the free ones, a worker.load.arrivals.free_users.Place."""

    __slots__ = ("_due", "_loop", "_name", "_starter", "_took_at", "_user", "_waiter")

    def __init__(self, user: Any, starter: ArrivalStarter, due: DueTask) -> None:
        self._user = user
        self._name = type(user).__name__
        self._starter = starter
        self._due = due
        self._waiter = Waiter(gevent.get_hub())
        self._loop = gevent.get_hub().loop
        self._took_at: int | None = None

    @property
    def free(self) -> bool:
        """Whether the user may start a task: one that is to stop, or was killed, is on its way out, and waits no more."""
        return self._user._state == LOCUST_STATE_WAITING  # type: ignore[no-any-return]  # noqa: SLF001  # Locust keeps it there

    def start(self) -> None:
        """Switch to the user, which begins its task. To be called in the event loop."""
        self._waiter.switch(None)

    def wait(self) -> None:
        """In the user's greenlet: wait for an arrival, whose due time its clients know then. Raises StopUser."""
        user, starter = self._user, self._starter
        if user._state == LOCUST_STATE_STOPPING:  # noqa: SLF001
            raise StopUser
        waiting = starter.take_waiting(self._name)
        if waiting is not None:
            self._due.begin_arrival(waiting.due_s, waiting.waited_s)
            return
        # Once in each turn of the event loop: tasks that never pause must not keep it from its turns.
        if self._took_at != self._loop.iteration and starter.take_due(self._name):
            self._took_at = self._loop.iteration
            self._due.begin_arrival(None)
            return
        user._state = LOCUST_STATE_WAITING  # noqa: SLF001
        self._due.begin_arrival(None)
        self._waiter.clear()
        starter.add_free(self, self._name)
        try:
            self._waiter.get()
        finally:
            starter.remove_free(self, self._name)
        if user._state == LOCUST_STATE_STOPPING:  # noqa: SLF001
            raise StopUser
        user._state = LOCUST_STATE_RUNNING  # noqa: SLF001


def have_users_wait(user_classes: Iterable[type[User]]) -> None:
    """From now on all users of this process wait for arrivals. Raises LoopOfItsOwnError for a class that could not."""
    for user_class in user_classes:
        if user_class.run is not User.run:
            raise LoopOfItsOwnError(
                f"{user_class.__name__} has a loop of its own in run(): it would not wait for the arrivals of the open model"
            )
    TaskSet.wait = _wait  # type: ignore[method-assign]
    DefaultTaskSet.on_start = _wait_for_first  # type: ignore[method-assign, assignment]


def has_waited(user: User) -> bool:
    """Whether a user is done with its `on_start`, and so has waited for an arrival."""
    return "_arrival_place" in vars(user)


def _wait_for_first(task_set: TaskSet) -> None:
    """In place of the `on_start` of the task set that each user has around its tasks, and that does nothing."""
    _place_of(task_set.user).wait()


def _wait(task_set: TaskSet) -> None:
    """In place of `TaskSet.wait`."""
    frame: Any = sys._getframe(1)  # noqa: SLF001  # who waits: the loop of a task set, or a task
    while frame.f_code.co_name == "wait":  # of a subclass, or of its user
        frame = frame.f_back
    user = task_set.user
    if frame.f_code is _LOOP:
        _place_of(user).wait()
        return
    due: DueTask = vars(user).setdefault("due_task", DueTask())  # a pause may be asked for in on_start
    kept = (due.intended_s, due.behind_since_s, due.waited_s)
    try:
        _pause(task_set)
    finally:
        due.intended_s, due.behind_since_s, due.waited_s = kept  # which a pacing would set


def _place_of(user: Any) -> UserPlace:
    place: UserPlace | None = vars(user).get("_arrival_place")
    if place is None:
        due = vars(user).setdefault("due_task", DueTask())
        place = user._arrival_place = UserPlace(user, user.environment.runner.arrivals.starter, due)  # noqa: SLF001
    return place
