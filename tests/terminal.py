"""What commands of the tests have in common: what they print to, how they complain, and that SIGTERM ends them in order."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from rich.console import Console

EXIT_FAILED, EXIT_INPUT, EXIT_ABORTED = 1, 2, 4


def open_console(log_width: int, *, stderr: bool = False) -> Console:
    """Prints figures without colouring them; a file or a log, which has no width of its own, has `log_width` columns."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = log_width
    return console


def end_in_order() -> None:
    """From now on SIGTERM does what Ctrl-C does, so that what was started is ended, or goes on, then too."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def complain(who: str, message: str, status: int) -> int:
    """Tell the operator; returns `status`."""
    print(f"{who}: {message}", file=sys.stderr)  # noqa: T201  # the operator reads it
    return status
