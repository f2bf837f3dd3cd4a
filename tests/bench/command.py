"""What the benches' commands have in common: how they go through, what they print to, and how they read their options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from children import BenchError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.append(str(Path(__file__).parents[1]))  # where the tests keep what they share

import terminal
from terminal import EXIT_ABORTED, EXIT_FAILED, EXIT_INPUT, end_in_order

OUT = Path(__file__).parents[2] / "bench"
"""Where results go that nobody gave another place."""
NONE = "–"
LOG_WIDTH = 120
"""Columns of output that goes to a file or a log, which has no width of its own."""


def open_console(*, stderr: bool = False) -> Console:
    """Prints figures without colouring them."""
    return terminal.open_console(LOG_WIDTH, stderr=stderr)


def progress_on(console: Console) -> Progress:
    """A line that says what is measured just now; nothing where `console` is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    # Drawn seldom: it runs on the cores that are measured.
    return Progress(*columns, console=console, refresh_per_second=1, transient=True, disable=not console.is_terminal)


def number(value: float | None, form: str) -> str:
    """`value` by the format specification `form`; a dash for None."""
    return NONE if value is None else format(value, form)


def try_to_write(path: Path) -> None:
    """Learn now, not when all is measured. What is there stays as it is. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    path.open("a", encoding="utf-8").close()
    if new:
        path.unlink()


def complain(message: str, status: int) -> int:
    """Tell the operator; returns `status`."""
    return terminal.complain("bench", message, status)


def carry_out(bench: Callable[[], int], out: Path) -> int:
    """Measure by `bench`, which writes to `out`; the exit status, however it ends."""
    try:
        try_to_write(out)
    except OSError as error:
        return complain(f"can't write --out {out}: {error.strerror}; name another file", EXIT_INPUT)
    end_in_order()
    try:
        return bench()
    except BenchError as error:
        return complain(str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        return complain("interrupted; nothing was written", EXIT_ABORTED)


def whole_number(text: str) -> int:
    """A number of 1 or more. Raises ArgumentTypeError."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def duration_s(text: str) -> float:
    """A length of time. Raises ArgumentTypeError."""
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 3600 seconds")
    return value
