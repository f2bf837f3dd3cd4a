"""The run directory: where a run's files are, and making sure at the start that they can be written."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from master.errors import InputError
from worker.printable import printable


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = printable(path.name)
        """The run's name, for people and other processes."""
        self.database = path / "run.db"
        self.log = path / "run.db-wal"
        """SQLite's, while run.db is written."""
        self.result = path / "result.json"
        self.report = path / "report.html"
        self.junit = path / "junit.xml"
        self.scenario = path / "scenario.yml"
        self.logs = path / "logs"
        self.keys = path / "keys.json"
        """There as long as the run can be resumed; secret."""
        self.project = path / "project.tar.gz"
        """The Locust project as nodes get it, as long as the run can be resumed; secret."""

    @classmethod
    def create(cls, out: Path | None, scenario: str, started_at: datetime) -> RunDirectory:
        """Make the directory `out`, or a new one below `runs/`. Raises InputError where that can't be done, or is in use."""
        path = out or Path("runs") / f"{scenario}-{started_at:%Y%m%d-%H%M%S}"
        hint = "Name another directory with --out."
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise InputError(f"the output directory {path} is not empty", hint=hint)
            directory = cls(path.resolve())
            directory.logs.mkdir()
            (directory.path / ".writable").touch()
            (directory.path / ".writable").unlink()
        except OSError as error:
            raise InputError(f"the output directory {path} can't be written: {error.strerror}", hint=hint) from None
        return directory

    def clear(self) -> None:
        """Remove what is in it, so that another run can be made there: this one could not be started."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
