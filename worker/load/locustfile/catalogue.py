"""The user classes of a run: those that come with piswarm, or those of the operator's locustfile."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache

from locust import LoadTestShape, User
from locust.util.load_locustfile import load_locustfile

from worker.wire.work import UserShare

SHIPPED = ("worker.users.lucid.users", "worker.users.streamgate.users", "worker.users.database.users")


class DuplicateClassError(Exception):
    """Raised where two locustfiles have a class of one name; the message names both."""


@cache
def import_project(root: str, locustfiles: tuple[str, ...]) -> tuple[dict[str, type[User]], dict[str, LoadTestShape]]:
    """Import locustfiles, whose paths are relative to the folder `root`, once per process; their user classes and load shapes by name.

    What lies in `root` can be imported from then on. Raises DuplicateClassError, and whatever a locustfile raises.
    """
    # Stays there: what is imported in a task is to be found, too.
    sys.path.insert(0, root)
    classes: dict[str, type[User]] = {}
    shapes: dict[str, LoadTestShape] = {}
    for file in locustfiles:
        own_classes, own_shapes = load_locustfile(os.path.join(root, file))  # noqa: PTH118  # a symbolic link stays one
        for name, found in own_classes.items():
            _check_same(classes.setdefault(name, found), found)
        for shape in own_shapes:
            _check_same(type(shapes.setdefault(type(shape).__name__, shape)), type(shape))
    return classes, shapes


def _check_same(known: type, found: type) -> None:
    """A class that a locustfile imports from another one is found in both. Raises DuplicateClassError."""
    files = [
        sys.modules[each.__module__].__file__ if each.__module__ in sys.modules else None for each in (known, found)
    ]
    if known is not found and files[0] != files[1]:
        raise DuplicateClassError(f"{found.__name__} is defined in both {files[0]} and {files[1]}")


def user_classes(root: str | None = None, locustfiles: Sequence[str] = ()) -> dict[str, type[User]]:
    """All user classes by name: those of the locustfiles in `root`, or those that come with piswarm. Raises as import_project."""
    if root is not None:
        return dict(import_project(root, tuple(locustfiles))[0])
    found: dict[str, type[User]] = {}
    for module in map(importlib.import_module, SHIPPED):
        found |= {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, User) and not value.abstract
        }
    return found


def load_user_classes(
    shares: Mapping[str, UserShare], root: str | None = None, locustfiles: Sequence[str] = ()
) -> list[type[User]]:
    """The classes named in `shares`, with their weight or fixed count set. Raises KeyError for an unknown one, and as import_project."""
    known = user_classes(root, locustfiles)
    chosen = []
    for name, share in shares.items():
        user_class = known[name]
        # Locust leaves classes out that have neither.
        user_class.weight = share.weight
        user_class.fixed_count = share.fixed_count or share.per_node or share.per_worker
        chosen.append(user_class)
    return chosen
