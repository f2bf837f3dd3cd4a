"""`piswarm resume`."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from master.commands.output import show_result
from master.errors import InputError
from master.services.command import DEFAULT_SERVICES

EPILOG = (
    "Example: [bold]piswarm resume runs/swarm-20260301-120000[/bold]\n\n"
    "Exit status: as for run; 2 when there is nothing to resume."
)


def resume(
    directory: Annotated[Path, typer.Argument(help="The run directory.", show_default=False)],
    *,
    services: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder with the files of services that the scenario requires.")
    ] = DEFAULT_SERVICES,
) -> None:
    """Go on with a run whose controller was killed: what is left of its time, into the same directory and one report."""
    import locust  # noqa: F401, PLC0415

    from master.project.scenario_loading import load_for_resume  # noqa: PLC0415
    from master.run import run as runs  # noqa: PLC0415
    from master.run.checkpoint import AccessFile  # noqa: PLC0415
    from master.run.directory import RunDirectory  # noqa: PLC0415
    from master.services.required import resolve_required  # noqa: PLC0415

    found = RunDirectory(directory.resolve())
    if not found.scenario.is_file() or not found.database.is_file():
        raise InputError(f"{directory} is no run directory", hint="Name a directory that piswarm run has made.")
    file = AccessFile.acquire(
        found.keys
    )  # first: a run that is still on is refused before its project is imported again
    try:
        os.environ.update(file.access.environment)  # the locustfile reads them here, too
        with closing(load_for_resume(found.scenario)) as read:
            required = resolve_required(found.scenario, read.scenario, services, os.environ, read.mentions)
            show_result(read.scenario.name, lambda view, show: runs.resume(read, found, file, view, show, required))
    finally:
        file.release()
