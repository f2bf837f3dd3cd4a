"""The tables of a scenario's data: opened and checked before anything is started, and the same again for a run that goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from master.data.table_file import TableFile
from master.errors import InputError, PiswarmError
from master.formatting import counted
from master.scenario import Scenario
from worker.printable import printable
from worker.wire.rows import AtEnd, Use

FIRST_PER_USER = 4
"""What a user takes in its first seconds, until a lease comes that goes by the use; what is not used goes back after a while."""
MAX_FIRST = 1000
"""The most rows that a worker asks for before its users begin."""


def open_tables(scenario: Scenario) -> dict[str, TableFile]:
    """All tables by name. Raises InputError, with the faults of all files."""
    opened: dict[str, TableFile] = {}
    faults: list[PiswarmError] = []
    for name, source in scenario.data.items():
        try:
            opened[name] = TableFile(source.file)
        except InputError as error:
            faults.append(error)
    if faults:
        close_tables(opened)
        if len(faults) == 1:
            raise faults[0]
        raise InputError("\n".join(error.message for error in faults), hint=faults[0].hint)
    return opened


def close_tables(tables: Mapping[str, TableFile]) -> None:
    """Close the files."""
    for table in tables.values():
        table.close()


def first_rows(scenario: Scenario) -> int:
    """How many rows of a table each worker has before its users begin: some for each user that it may get."""
    return min(MAX_FIRST, FIRST_PER_USER * max(1, -(-scenario.max_users // scenario.nodes.expect)))


def data_warnings(scenario: Scenario, tables: Mapping[str, TableFile]) -> Iterator[str]:
    """What of the data is allowed, and may not be meant."""
    what = {
        AtEnd.STOP_USER: "users that get none are stopped",
        AtEnd.STOP_CLASS: "the classes of users that get none are stopped",
        AtEnd.STOP_RUN: "the run ends when one gets none",
    }
    for name, table in tables.items():
        source = scenario.data[name]
        if source.use is Use.UNIQUE and table.rows < scenario.max_users:
            rows = counted(table.rows, "row")
            yield (
                f"data {name}: {printable(source.file.name)} has {rows}, for up to {scenario.max_users} users, and each row "
                f"goes to one user once: {what[source.at_end]}"
            )
