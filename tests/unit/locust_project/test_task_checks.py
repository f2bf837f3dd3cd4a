"""User classes without a task are found before a run starts."""

from typing import Any

import pytest
from locust import FastHttpUser, MarkovTaskSet, SequentialTaskSet, TaskSet, User, task, transition

from master.project.checks.task_checks import find_unfit_users
from master.scenario import UnfitUsers
from worker.http import HttpUser
from worker.load.locustfile.catalogue import user_classes


class Empty(TaskSet):
    """A task set without a task."""


class Nested(TaskSet):
    """A task set of an empty one, and of itself."""


Nested.tasks = [Empty, Nested]


class Steps(SequentialTaskSet):
    """A task set with a task."""

    @task
    def step(self) -> None:
        """A step."""


class States(MarkovTaskSet):
    """A task set whose tasks are states."""

    @transition("state")
    def state(self) -> None:
        """A state."""


def prepare(user: Any) -> None:
    user.token = "t"


def give_tasks(user: Any) -> None:
    user.tasks = [print]


@pytest.mark.parametrize("base", [User, FastHttpUser, HttpUser])
@pytest.mark.parametrize(
    ("attributes", "has_none"),
    [
        ({}, True),
        ({"tasks": []}, True),
        ({"tasks": [Empty]}, True),
        ({"tasks": [Nested]}, True),
        ({"on_start": prepare}, True),
        ({"work": task(give_tasks)}, False),
        ({"tasks": {Steps: 3}}, False),
        ({"tasks": [Empty, Steps]}, False),
        ({"tasks": [States]}, False),
        ({"on_start": give_tasks}, False),
        ({"__init__": give_tasks}, False),
        ({"run": print}, False),
    ],
)
def test_a_class_without_a_task_is_found(base: type[User], attributes: dict[str, Any], *, has_none: bool) -> None:
    """Whatever it derives from; one that may come to tasks by its own code is not taken for one."""
    made = type("Made", (base,), dict(attributes))
    assert find_unfit_users({"Made": made}).without_tasks == ({"Made"} if has_none else set())


def test_a_class_with_a_loop_of_its_own_is_found() -> None:
    """It overrides run(), itself or in a class that it derives from."""
    own = type("Own", (HttpUser,), {"run": print})
    derived = type("Derived", (own,), {"tasks": [give_tasks]})
    plain = type("Plain", (HttpUser,), {"tasks": [give_tasks]})
    found = find_unfit_users({"Own": own, "Derived": derived, "Plain": plain})
    assert found.with_own_loop == {"Own", "Derived"}


def test_every_class_that_comes_with_piswarm_is_fit_for_both_models() -> None:
    """So none is refused."""
    assert find_unfit_users(user_classes()) == UnfitUsers(set(), set())
