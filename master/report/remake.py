"""The files of a run's outcome made again, from its result and run.db."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from master.errors import InputError
from master.judge.result import Result
from master.report.html import write_report
from master.report.junit import write_junit
from master.store import StoreReader


def remake(
    result: Result,
    store: StoreReader,
    scenario_yaml: str,
    files: tuple[Path, Path, Path | None],
    step: Callable[[str], None],
) -> None:
    """Write report.html, junit.xml and, where it is wanted, result.json to these places. Raises InputError where one can't be written.

    `step` is told what is being made. Faults of piswarm's own are noted in the result, as at a run's end.
    """
    report, junit, json_file = files
    try:
        step(f"making {report.name}")
        faults = write_report(result, store, scenario_yaml, report)
        faults += write_junit(result, junit)
        result.faults += [fault for fault in faults if fault not in result.faults]
        if json_file is not None:
            result.write(json_file)
    except OSError as error:
        place = report.parent
        raise InputError(
            f"{place} can't be written: {error.strerror}", hint="Name another directory with --out."
        ) from None
