"""The kinds of error a user can meet, one for each exit code, each saying whose it is and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from itertools import islice
from pathlib import Path

from worker.printable import printable_lines

MAX_FAULTS = 20
"""Most faults that one message lists."""
_MAX_LINE_LENGTH = 1000  # characters of a message


class ExitCode(IntEnum):
    """Meaning of the command's exit status."""

    PASS = 0
    FAIL = 1
    INPUT = 2
    INVALID = 3
    ABORTED = 4


class PiswarmError(Exception):
    """An error to show to the user as one message: what happened, and what to do about it."""

    exit_code: ExitCode

    def __init__(self, message: str, *, hint: str = "") -> None:
        message = _presentable(message)
        super().__init__(message)
        self.message = message
        self.hint = _presentable(hint)


class InputError(PiswarmError):
    """The operator's input is wrong; nothing was started. Carries the file and line where they are known."""

    exit_code = ExitCode.INPUT

    def __init__(self, message: str, *, hint: str = "", file: Path | None = None, line: int | None = None) -> None:
        where = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(where + message, hint=hint)


class AbortError(PiswarmError):
    """The run can't start or go on: target unreachable, fleet lost, interrupted."""

    exit_code = ExitCode.ABORTED


def list_faults(rows: Iterable[str], count: int) -> str:
    """A line for each of the first MAX_FAULTS of `count` faults, and how many more there are; further rows are not asked for."""
    lines = [f"  {row}" for row in islice(rows, MAX_FAULTS)]
    if count > MAX_FAULTS:
        lines.append(f"  and {count - MAX_FAULTS} more")
    return "\n".join(lines)


def _presentable(text: str) -> str:
    """`text` with nothing in it that a terminal obeys, and without the middle of lines that repeat something of great length."""
    return "\n".join(map(_cut, printable_lines(text).split("\n")))


def _cut(line: str) -> str:
    return (
        line if len(line) <= _MAX_LINE_LENGTH else f"{line[: _MAX_LINE_LENGTH // 2]} … {line[-_MAX_LINE_LENGTH // 2 :]}"
    )
