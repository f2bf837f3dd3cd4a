"""The command `piswarm export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from master.commands.output import warn
from master.errors import InputError

EPILOG = (
    "Example: [bold]piswarm export runs/swarm-20260301-120000 --csv swarm --only requests,events[/bold]\n\n"
    "Exit status: 0; 2 when an input is wrong or the target is there already; 4 when interrupted. docs/performance/export.md has all columns."
)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.", show_default=False)],
    *,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="DIR", help="Write a CSV file for each table into this directory.")
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            "--parquet", metavar="FILE", help="Write all tables into this file; the column `record` has their names."
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="TABLES", help="Only these tables, such as requests,events.")
    ] = None,
) -> None:
    """Write a run as tables for other programs: requests, percentiles, samples, fitness, events and more. Changes nothing of it."""
    from master.commands.progress import Progress  # noqa: PLC0415
    from master.export.export import export as export_run  # noqa: PLC0415
    from master.export.export import parse_tables  # noqa: PLC0415

    if (csv is None) == (parquet is None):
        raise InputError("name one of --csv DIR and --parquet FILE", hint="One call writes one of the two.")
    with Progress() as progress:
        if csv is not None:
            missing = export_run(run, csv, "csv", parse_tables(only), progress.step)
        else:
            assert parquet is not None  # one of the two is there
            missing = export_run(run, parquet, "parquet", parse_tables(only), progress.step)
    warn(missing)
