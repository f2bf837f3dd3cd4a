"""A run that is over, in its directory: with its result, or, where its controller was killed, with what it has measured."""

from __future__ import annotations

from master.analysis.runs import StoredRun
from master.errors import InputError
from master.judge.result import Result
from master.run.checkpoint import AccessFile
from master.run.directory import RunDirectory
from master.run.stored_result import judge_stored
from master.store import StoreReader


class EndedRun:
    """A run that no controller works on; while this is open, none can go on with it."""

    def __init__(self, directory: RunDirectory, keys: AccessFile | None) -> None:
        self.directory = directory
        self._keys = keys

    @classmethod
    def open(cls, directory: RunDirectory) -> EndedRun:
        """The run in a directory. Raises InputError where that is no run directory, or the run is still on."""
        if not directory.database.is_file():
            raise InputError(
                f"{directory.path} is no run directory", hint="Name a directory that piswarm run has made."
            )
        return cls(directory, AccessFile.acquire(directory.keys) if directory.keys.exists() else None)

    @property
    def resumable(self) -> bool:
        """Whether another controller can go on with it."""
        return self._keys is not None

    def close(self) -> None:
        """Let another controller go on with it."""
        if self._keys is not None:
            self._keys.release()

    def result(self, store: StoreReader) -> tuple[Result, bool]:
        """Its result, and whether it had none and was judged for it.

        Raises InputError where its result.json can't be read, or its load never began; sqlite3.Error where run.db can't be read.
        """
        if self.directory.result.exists():
            try:
                return StoredRun.open(self.directory.path).result, False
            except InputError as error:
                raise InputError(error.message, hint="Take it away, and it is worked out again of run.db.") from None
        return judge_stored(self.directory, store), True

    def scenario_yaml(self, store: StoreReader) -> str:
        """The scenario as it was run."""
        return str(store.meta("scenario") or "")
