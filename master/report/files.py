"""The files that tell a run's outcome: whatever is wrong with one of them, the others are written."""

from __future__ import annotations

from collections.abc import Callable

from master.report.html import write_report
from master.report.junit import write_junit
from master.report.result import Result
from master.run.directory import RunDirectory
from master.store import Store


def write_outcome(result: Result, store: Store, scenario_yaml: str, directory: RunDirectory) -> None:
    """Write result.json, junit.xml and report.html. A fault of piswarm's own in one of the latter is told in result.json.

    Raises the first OSError that one of them met, when all that can be written is.
    """
    unwritten: list[OSError] = []

    def keep(write: Callable[[], list[str]]) -> list[str]:
        try:
            return write()
        except OSError as error:
            unwritten.append(error)
            return []

    def write_result() -> list[str]:
        result.write(directory.result)
        return []

    keep(write_result)
    faults = keep(lambda: write_junit(result, directory.junit))
    faults += keep(lambda: write_report(result, store, scenario_yaml, directory.report))
    if faults:
        result.faults += faults
        keep(write_result)
    if unwritten:
        raise unwritten[0]
