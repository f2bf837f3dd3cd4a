"""Exceptions that users' code did not catch: their kind, place and number."""

from __future__ import annotations

import linecache
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from worker.printable import printable
from worker.secret_values import without_secrets
from worker.wire.reports import ExceptionCount

MAX_DIFFERENT = 100
"""Different exceptions of one report; further ones are counted together."""
MAX_LENGTH = 300
_OURS = str(Path(__file__).resolve().parents[1])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})

Key = tuple[str, str, str, str, str]


class UserExceptions:
    """Counts of exceptions since the last report."""

    def __init__(self) -> None:
        self._counts: dict[Key, int] = {}

    def note(self, user_class: str, error: BaseException, trace: TracebackType | None) -> None:
        """Count one exception that the code of a `user_class` user did not catch."""
        place, line = _place(trace)
        key = tuple(
            printable(text)[:MAX_LENGTH] for text in (user_class, type(error).__name__, message_of(error), place, line)
        )
        if key not in self._counts and len(self._counts) >= MAX_DIFFERENT:
            key = ("", "further exceptions", f"only {MAX_DIFFERENT} different ones are kept per report", "", "")
        self._counts[key] = self._counts.get(key, 0) + 1  # type: ignore[index, arg-type]  # five texts went in

    def pop_all(self) -> list[ExceptionCount]:
        """Take everything noted since the last call."""
        counts = [ExceptionCount(*key, count) for key, count in self._counts.items()]
        self._counts.clear()
        return counts


def message_of(error: Any) -> str:
    """What an exception says, as printable text without secrets; nothing where its own `__str__` raises."""
    try:
        return printable(without_secrets(str(error)))
    except Exception:  # noqa: BLE001  # whatever a locustfile's own __str__ raises
        return ""


def _place(trace: TracebackType | None) -> tuple[str, str]:
    """The innermost place in the user's own code, as `FILE:LINE in FUNCTION`, and its source line."""
    frames = traceback.extract_tb(trace)
    own = [frame for frame in frames if not frame.filename.startswith((_OURS, *_LIBRARIES))]
    if not frames:
        return "", ""
    frame = (own or frames)[-1]
    line = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
    return f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}", line
