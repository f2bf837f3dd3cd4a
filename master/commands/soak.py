"""`piswarm soak`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from master.commands.output import LOG_WIDTH, print_error
from master.errors import ExitCode, InputError
from worker import streams

EPILOG = (
    "Example: [bold]piswarm soak runs/soak-20260301-120000[/bold]\n\n"
    "Exit status: 0 no drift; 1 the target drifts; 2 there is no such run; 3 the generator drifts, or the run is too short "
    "or too uneven to tell whether a limit of its scenario holds."
)


def soak(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.", show_default=False)],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, schema piswarm/soak/1; null is unknown.")
    ] = False,
) -> None:
    """Say whether anything drifted in the longest hold of a run: latency, errors, memory, temperature. Changes nothing of it."""
    from master.analysis.soak import command  # noqa: PLC0415
    from master.report.terminal.soak import soak_lines, soak_table  # noqa: PLC0415

    found, run = command.assess_run(directory)
    if as_json:
        typer.echo(command.to_json(found, run))
    else:
        console = Console()
        if not console.is_terminal:
            console = Console(width=LOG_WIDTH)
        if any(row.subjects for row in found.metrics):
            console.print(soak_table(found), highlight=False)
            console.print()
        for line in soak_lines(found):
            console.print(line, highlight=False, soft_wrap=not console.is_terminal)
        if run.result.verdict in {"INVALID", "ABORTED"}:
            print_error(f"piswarm: warning: the run is {run.result.verdict}, and proves little: {run.result.reason}")
    if lost := streams.lost_output():
        raise InputError(f"standard output can't be written: {lost.strerror}", hint="What was asked for is incomplete.")
    raise typer.Exit(_status(command.whose(found)))


def _status(whose: str) -> ExitCode:
    return {"": ExitCode.PASS, "target": ExitCode.FAIL}.get(whose, ExitCode.INVALID)
