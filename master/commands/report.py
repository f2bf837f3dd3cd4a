"""`piswarm report`."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from master.commands.output import show_lines
from master.commands.progress import Progress
from master.errors import InputError

EPILOG = (
    "Examples: [bold]piswarm report runs/swarm-20260301-120000[/bold]\n\n"
    '[bold]piswarm report RUN --summary "$GITHUB_STEP_SUMMARY"[/bold]\n\n'
    "Exit status: 0, whatever the verdict; 2 when there is no such run, it is still on, or its load never began."
)


def report(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.", show_default=False)],
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the files there, and leave RUN as it is; must be empty or new."),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also add the outcome in Markdown to the end of this file, for CI pages."),
    ] = None,
) -> None:
    """Make report.html and junit.xml of a run again. A run that was killed before it had a result.json is judged by what it has measured."""
    from master.commands.files import check_writable, new_folder  # noqa: PLC0415
    from master.report.markdown import append_summary  # noqa: PLC0415
    from master.report.remake import remake  # noqa: PLC0415
    from master.run.directory import RunDirectory  # noqa: PLC0415
    from master.run.ended_run import EndedRun  # noqa: PLC0415
    from master.store import StoreReader, unreadable  # noqa: PLC0415

    if summary is not None:
        check_writable("--summary", summary)
    with ExitStack() as ending, Progress() as progress:
        run = ending.enter_context(closing(EndedRun.open(RunDirectory(directory.resolve()))))
        progress.step(f"reading {run.directory.database}")
        store = ending.enter_context(closing(StoreReader.open(run.directory.database)))
        place = run.directory.path if out is None else new_folder("--out", out)
        try:
            result, judged = run.result(store)
            files = place / "report.html", place / "junit.xml", place / "result.json" if judged else None
            remake(result, store, run.scenario_yaml(store), files, progress.step)
        except sqlite3.Error as error:
            raise unreadable(run.directory.database, error) from None
        except msgspec.MsgspecError as error:
            raise InputError(f"{run.directory.database} is damaged: {error}", hint="Is there a copy of it?") from None
        if summary is not None:
            append_summary(result, summary)
    lines = [f"{result.verdict}  {result.reason}", *(f"written  {file}" for file in files if file is not None)]
    if judged and run.resumable:
        lines.append(f"The run can still be gone on with: piswarm resume {directory}")
    show_lines(lines)
