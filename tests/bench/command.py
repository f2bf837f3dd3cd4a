"""What the benches' commands have in common: their exit statuses, what they print to, and how they read their options."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

EXIT_FAILED, EXIT_INPUT, EXIT_ABORTED = 1, 2, 4
OUT = Path(__file__).parents[2] / "bench"
"""Where results go that nobody gave another place."""
NONE = "–"
LOG_WIDTH = 120
"""Columns of output that goes to a file or a log, which has no width of its own."""


def open_console(*, stderr: bool = False) -> Console:
    """Prints figures without colouring them."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    return console


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
    path.open("a").close()
    if new:
        path.unlink()


def end_in_order() -> None:
    """From now on SIGTERM does what Ctrl-C does, so that the processes of the bench are ended then too."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def complain(message: str, status: int) -> int:
    """Tell the operator; returns `status`."""
    print(f"bench: {message}", file=sys.stderr)  # noqa: T201  # the operator reads it
    return status


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
