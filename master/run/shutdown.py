"""Ending a run step by step: each step is done whatever becomes of the others, and failures are reported at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from master.errors import PiswarmError
from master.run.collect.collector import Collector
from master.run.stop import StopRequest
from master.run.storage import StorageMonitor
from worker.printable import printable


class Shutdown:
    """A context manager that closes what a run has opened, last opened first. No step that fails keeps another from being done."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        """A sentence for each step that failed, for the operator."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if error is not None:
            for problem in self.problems:
                error.add_note(problem)

    def add(self, what: str, step: Callable[[], object]) -> None:
        """Have `step` done at the end; `what` it does, as a noun, names it when it fails."""
        self._stack.callback(self.attempt, what, step)

    def attempt(self, what: str, step: Callable[[], object]) -> Exception | None:
        """Do a step now; the error that it failed by, which is noted in `problems`."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  # whatever it is, the other steps are to be done
            self.problems.append(printable(f"{what} failed: {describe(error)}"))
            return error
        return None


class RunFaults:
    """What failed while a run was on. The first fault stops the run, in order, so that it can be resumed from what was kept."""

    def __init__(self, stop: StopRequest, storage: StorageMonitor, collector: Collector) -> None:
        self.own: Exception | None = None
        """The first fault of piswarm's own; None as long as there is none."""
        self._stop = stop
        self._storage = storage
        self._collector = collector

    def note(self, error: Exception) -> None:
        """Stop the run because of `error`: the operator's, the storage's, or a fault of piswarm's own."""
        self._collector.broken_off = True
        if isinstance(error, PiswarmError):
            self._stop.fail(reason_of(error))
        elif self._storage.note(error):
            self._stop.fail(self._storage.fault or describe(error))
        else:
            self.own = self.own or error
            self._stop.fail(f"a fault of piswarm's own: {describe(error)}")

    def attempt(self, step: Callable[[], object]) -> None:
        """Do one of several steps, each of which is to be done whatever becomes of the others."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  # whatever it is, the other steps are to be done
            self.note(error)


def describe(error: Exception) -> str:
    """An error that is not ours as one line: its type, and what it says."""
    return printable(f"{type(error).__name__}: {error}")


def reason_of(error: PiswarmError) -> str:
    """An error of ours as the reason why a run ended: its message and its hint, as sentences."""
    return f"{error.message}. {error.hint}".strip()


def missing_files(paths: list[Path]) -> str:
    """Names of those of `paths` that are not there, for people; empty when all are."""
    return ", ".join(path.name for path in paths if not path.exists())
