"""Import of the databases' drivers, which not every node has. Needs no Locust."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

EXTRA = "database"
DRIVERS: Mapping[str, tuple[str, ...]] = {
    "MongoUser": ("pymongo",),
    "PostgresUser": ("psycopg", "psycopg_pool"),
    "RedisUser": ("redis",),
}
"""The modules that a user class needs, by its name; those that are not here need none."""


class MissingDriverError(ImportError):
    """A driver is not installed here; the message names what brings it."""


def import_driver(name: str) -> ModuleType:
    """The module `name`. Raises MissingDriverError."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDriverError(
            f"{name} is not installed here ({error}): this user needs it; the extra '{EXTRA}' brings it"
            f" (pip install 'piswarm[{EXTRA}]'), and to nodes `fab deploy-workers --scenario FILE`"
        ) from None


def import_drivers(classes: Iterable[Any]) -> None:
    """Import the `drivers` of these user classes, so that one that is missing is known before any load. Raises MissingDriverError."""
    for each in classes:
        for name in getattr(each, "drivers", ()):
            import_driver(name)
