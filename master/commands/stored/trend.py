"""The command `piswarm trend`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from master.commands.output import LOG_WIDTH
from master.errors import InputError
from worker import streams

if TYPE_CHECKING:
    from master.analysis.trend.document import Trend

EPILOG = (
    "Example: [bold]piswarm trend runs --html trend.html[/bold]\n\n"
    "Exit status: 0, whatever has changed; 2 when an input is wrong or no run can be used."
)


def trend(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN… | DIR", help="Run directories, or directories that hold them.", show_default=False
        ),
    ],
    *,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="The run that the others must be like: its scenario, load and fleet. [dim]\\[default: the newest][/dim]",
            show_default=False,
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that works offline.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, schema piswarm/trend/1; null is unknown.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show also endpoints without a change.")] = False,
    floor: Annotated[
        str, typer.Option(metavar="PERCENT", help="Changes of rates and latencies below this are not named.")
    ] = "5 %",
    latency_floor: Annotated[
        str, typer.Option(metavar="TIME", help="Nor are changes of latencies below this.")
    ] = "0.2 ms",
    error_floor: Annotated[
        str, typer.Option(metavar="POINTS", help="Nor are changes of the share of errors below this.")
    ] = "0.1 %",
) -> None:
    """Show every metric of every endpoint over runs in order of time, and from which run on it changed for good."""
    from master.analysis.trend.trend import trend_of  # noqa: PLC0415
    from master.commands.progress import Progress  # noqa: PLC0415
    from master.commands.stored.floors import parse_floors  # noqa: PLC0415

    floors = parse_floors(floor, latency_floor, error_floor)
    with Progress() as progress:
        progress.step("reading the runs and looking for changes")
        found = trend_of(runs, floors, like)
        if html is not None:
            progress.step("writing the page")
            _write(found, html)
    if as_json:
        import msgspec  # noqa: PLC0415

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())  # noqa: T201  # what was asked for
    else:
        from master.report.trend.terminal import print_trend  # noqa: PLC0415

        console = Console()
        print_trend(console if console.is_terminal else Console(width=LOG_WIDTH), found, everything=everything)
    if lost := streams.lost_output():
        raise InputError(f"standard output can't be written: {lost.strerror}", hint="What was asked for is incomplete.")


def _write(found: Trend, html: Path) -> None:
    from master.report.trend.page import write_page  # noqa: PLC0415

    try:
        write_page(found, html)
    except OSError as error:
        raise InputError(
            f"--html: {html} can't be written: {error.strerror}", hint="Name a file in a directory that is there."
        ) from None
