"""What a command says: a run with its result, warnings, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from master.errors import ExitCode
from worker import streams
from worker.printable import printable

if TYPE_CHECKING:
    from master.judge.result import Result
    from master.run.directory import RunDirectory
    from master.run.end import FinishedRun
    from master.run.live_view import View

LOG_WIDTH = 120
"""Columns of output that goes to a file or a log, which has no width of its own."""
OUTPUT_TIMEOUT_S = 0.5
"""Longest wait for a reader of standard output that has stopped reading, before output is dropped."""


def show_lines(lines: Iterable[str]) -> None:
    """Show lines on standard output as they are."""
    console = Console()
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def warn(warnings: Sequence[str]) -> None:
    """Show warnings, a line each."""
    say = Console(stderr=True).print
    for warning in warnings:
        say(f"piswarm: warning: {warning}", markup=False, highlight=False, soft_wrap=True)


def show_result(
    name: str,
    execute: Callable[[View, Callable[[Result, RunDirectory], None]], FinishedRun],
    *,
    write_more: Callable[[Result, RunDirectory], Sequence[str]] | None = None,
    on_stderr: bool = False,
) -> None:
    """Have `execute` run something of this name in a view, and end the command with the verdict as its status.

    `write_more` writes further files of a run that is over, and says what went wrong. `on_stderr` leaves standard output to it.
    """
    from master.report.terminal.summary import print_summary  # noqa: PLC0415
    from master.run.live_view import create_view  # noqa: PLC0415

    console = Console(stderr=on_stderr)
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH, stderr=on_stderr)
    streams.set_write_timeout(OUTPUT_TIMEOUT_S)
    view = create_view(console, f"piswarm  {name}")
    finished = execute(view, lambda result, directory: print_summary(console, result, directory))
    verdict, place = finished.result.verdict, printable(str(finished.directory.path))
    failed = write_more(finished.result, finished.directory) if write_more is not None else []
    for problem in [*finished.problems, *failed]:
        print_error(f"piswarm: {problem}")
    if lost := streams.lost_output():
        print_error(
            f"piswarm: standard output can't be written: {lost.strerror}", f"The verdict is {verdict}; see {place}."
        )
    if finished.fault is not None:
        raise finished.fault
    raise typer.Exit(ExitCode[verdict])


def print_error(*lines: str) -> None:
    """Show lines on standard error as they are."""
    console = Console(stderr=True)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
