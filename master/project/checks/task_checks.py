"""User classes that could make no request, or start no arrival, as far as they show it."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from locust import TaskSet, User
from locust.user.task import is_markov_taskset

from master.scenario import UnfitUsers


def find_unfit_users(classes: Mapping[str, type[User]]) -> UnfitUsers:
    """The classes that have no task, in whatever depth of task sets, nor another way to come to one; and those with a loop of their own."""
    return UnfitUsers(
        without_tasks={name for name, user_class in classes.items() if not _has_task(user_class, ())},
        with_own_loop={name for name, user_class in classes.items() if user_class.run is not User.run},
    )


def _has_task(holder: type, above: tuple[type, ...]) -> bool:
    if is_markov_taskset(holder) or _has_its_own_way(holder):
        return True
    # A task set that holds itself comes to no task by that.
    return any(
        not (isinstance(task, type) and issubclass(task, TaskSet)) or _has_task(task, (*above, holder))
        for task in getattr(holder, "tasks", [])
        if task not in above
    )


def _has_its_own_way(holder: type) -> bool:
    """Whether it runs, or chooses its tasks, by code of its own, or its instances are given tasks."""
    for base in holder.__mro__:
        if _is_locusts(base):
            continue
        if {"run", "get_next_task", "execute_next_task"} & vars(base).keys():
            return True
        starts = (getattr(vars(base).get(name), "__code__", None) for name in ("__init__", "on_start"))
        if any("tasks" in code.co_names for code in starts if code is not None):
            return True
    return False


def _is_locusts(base: type) -> bool:
    """Whether it is a class of Locust's; its metaclass says that of every class made by a call, so its module is asked, too."""
    module = sys.modules.get(base.__module__)
    return base.__module__.partition(".")[0] == "locust" and getattr(module, base.__name__, None) is base
