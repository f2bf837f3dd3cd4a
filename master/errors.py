"""The kinds of error a user can meet, one for each exit code, each saying whose it is and what to do next."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the command's exit status means."""

    PASS = 0
    FAIL = 1
    INPUT = 2
    INVALID = 3
    ABORTED = 4


class PiswarmError(Exception):
    """An error to show to the user as one message: what happened, and what to do about it."""

    exit_code: ExitCode

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(PiswarmError):
    """The operator's input is wrong; nothing was started. Carries the file and line where they are known."""

    exit_code = ExitCode.INPUT

    def __init__(self, message: str, *, hint: str = "", file: Path | None = None, line: int | None = None) -> None:
        where = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(where + message, hint=hint)


class AbortError(PiswarmError):
    """The run can't start or go on: target unreachable, fleet lost, interrupted."""

    exit_code = ExitCode.ABORTED
