"""The files that tell a run's outcome: each whole or not at all, and somewhere else where its place can't be written.

Whatever is wrong with one of them, the others are written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from master.judge.result import Result
from master.report.html import write_report
from master.report.junit import write_junit
from master.run.directory import RunDirectory
from master.store import StoreReader
from worker.printable import printable


class OutcomeFiles:
    """Where the outcome of a run goes: its directory, or a new one in the system's temporary directory."""

    def __init__(self, directory: RunDirectory) -> None:
        self.unwritten: list[str] = []
        """Which files are not where they should be, for people: why, and where they are."""
        self._directory = directory
        self._fallback: Path | None = None

    def keep(self, path: Path, write: Callable[[Path], list[str]]) -> list[str]:
        """Have a file written at `path`, or elsewhere by the same name; what `write` returns."""
        try:
            return write(path)
        except OSError as error:
            said = f"{path.name} can't be written to {printable(str(path.parent))}: {error.strerror}"
        try:
            other = self._fallback_directory() / path.name
            faults = write(other)
        except OSError:
            self.unwritten.append(f"{said}; what was measured is in {printable(str(self._directory.database))}")
            return []
        self.unwritten.append(f"{said}; it is {other}")
        return faults

    def _fallback_directory(self) -> Path:
        if self._fallback is None:
            self._fallback = Path(tempfile.mkdtemp(prefix=f"piswarm-{self._directory.path.name}-"))
        return self._fallback


def write_outcome(
    result: Result,
    store: StoreReader,
    scenario_yaml: str,
    directory: RunDirectory,
    show: Callable[[Result, RunDirectory], None] = lambda *_: None,
) -> list[str]:
    """Write result.json and junit.xml, `show` the result, and then write the report, which may take a while.

    A fault of piswarm's own in one of the latter is noted in result.json. Returns what to report of files that are not where they
    should be.
    """
    files = OutcomeFiles(directory)

    def write_result(path: Path) -> list[str]:
        result.write(path)
        return []

    files.keep(directory.result, write_result)
    faults = files.keep(directory.junit, lambda path: write_junit(result, path))
    show(result, directory)
    faults += files.keep(directory.report, lambda path: write_report(result, store, scenario_yaml, path))
    if faults:
        result.faults += faults
        OutcomeFiles(directory).keep(directory.result, write_result)
    return files.unwritten
