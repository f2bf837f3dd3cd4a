"""Which lock file a release is built from: that with drivers of databases only where a scenario's users need them."""

from __future__ import annotations

from pathlib import Path

from master.errors import InputError
from master.inputs import decode_input, read_input
from master.yaml_file.document import read_document
from worker.users.database.drivers import DRIVERS
from worker.wire.messages import MAX_LOCUSTFILE

LOCK_FILE = "requirements-node.lock"
LOCK_FILE_WITH_DRIVERS = "requirements-node-database.lock"
_DATABASE_USERS = "worker.users.database"


def lock_file_for(scenario: Path | None) -> str:
    """The name of the lock file for nodes that are to run `scenario`; None: any scenario without databases. Raises InputError."""
    return LOCK_FILE_WITH_DRIVERS if scenario is not None and needs_drivers(scenario) else LOCK_FILE


def needs_drivers(scenario: Path) -> bool:
    """Whether the scenario names a user class that needs a driver, or its locustfile imports from those. Raises InputError."""
    document = read_document(scenario)
    document.raise_faults()
    given = document.data if isinstance(document.data, dict) else {}
    users, locustfile = given.get("users"), given.get("locustfile")
    if not isinstance(users, dict):
        raise InputError("names no users", file=scenario, hint="name a scenario file")
    if isinstance(locustfile, str):
        file = scenario.parent / locustfile
        return _DATABASE_USERS in decode_input(file, read_input(file, 4 * MAX_LOCUSTFILE))
    return any(name in DRIVERS for name in users)
