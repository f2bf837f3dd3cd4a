"""Which lock file a release is built from: those with more than a node mostly needs only where a scenario asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from master.errors import InputError
from master.yaml_file.document import read_document
from worker.users.database.drivers import DRIVERS

if TYPE_CHECKING:
    from master.scenario.project_keys import LocustProject

LOCK_FILE = "requirements-node.lock"
LOCK_FILE_WITH_DRIVERS = "requirements-node-database.lock"
LOCK_FILE_WITH_TRACING = "requirements-node-tracing.lock"
"""With OpenTelemetry, and with the drivers too, so that there is no file for each combination."""
_DATABASE_USERS = "worker.users.database"


def lock_file_for(scenario: Path | None) -> str:
    """The name of the lock file for nodes that are to run `scenario`; None: any without databases and tracing. Raises InputError."""
    if scenario is None:
        return LOCK_FILE
    # Reading scenarios takes what most commands can do without.
    from master.scenario.project_keys import note_project_faults  # noqa: PLC0415

    document = read_document(scenario)
    project = note_project_faults(document)
    document.raise_faults()
    given = document.data if isinstance(document.data, dict) else {}
    drivers = _needs_drivers(scenario, given, project)
    if given.get("tracing") is not None:
        return LOCK_FILE_WITH_TRACING
    return LOCK_FILE_WITH_DRIVERS if drivers else LOCK_FILE


def _needs_drivers(scenario: Path, given: Mapping[object, object], project: LocustProject | None) -> bool:
    """Whether the scenario names a user class that needs a driver, or its Locust project imports from those. Raises InputError."""
    users = given.get("users")
    if not isinstance(users, dict):
        raise InputError("names no users", file=scenario, hint="name a scenario file")
    if project is not None:
        from master.project.archive.files import find_files  # noqa: PLC0415

        sources = (file.source for file in find_files(project) if file.name.endswith(".py"))
        return any(_DATABASE_USERS.encode() in source.read_bytes() for source in sources)
    return any(name in DRIVERS for name in users)
