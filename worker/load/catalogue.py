"""The user classes of a run: those that come with piswarm, or those of the operator's locustfile."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from locust import LoadTestShape, User
from locust.util.load_locustfile import load_locustfile

from worker.wire.messages import UserShare

SHIPPED = ("worker.users.lucid.users", "worker.users.streamgate.users", "worker.users.database.users")


@cache
def import_locustfile(path: str) -> tuple[dict[str, type[User]], list[LoadTestShape]]:
    """Import the locustfile at `path`, once per process; its user classes by name, and its load shapes. Raises whatever it raises."""
    classes, shapes = load_locustfile(path)
    return classes, shapes


def user_classes(locustfile: Path | str | None = None) -> dict[str, type[User]]:
    """All user classes by name. Raises whatever the locustfile raises."""
    if locustfile is not None:
        return dict(import_locustfile(str(Path(locustfile).resolve()))[0])
    found: dict[str, type[User]] = {}
    for module in map(importlib.import_module, SHIPPED):
        found |= {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, User) and not value.abstract
        }
    return found


def load_user_classes(shares: Mapping[str, UserShare], locustfile: Path | str | None = None) -> list[type[User]]:
    """The classes named in `shares`, with their weight or fixed count set. Raises KeyError for an unknown one."""
    known = user_classes(locustfile)
    chosen = []
    for name, share in shares.items():
        user_class = known[name]
        user_class.weight, user_class.fixed_count = share.weight, share.fixed_count
        chosen.append(user_class)
    return chosen
