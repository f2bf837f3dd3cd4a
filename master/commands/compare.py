"""The command `piswarm compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from master.commands.output import LOG_WIDTH
from master.errors import ExitCode, InputError
from worker import streams

EPILOG = (
    "Example: [bold]piswarm compare runs/before runs/after --markdown[/bold]\n\n"
    "Exit status: 0 same or better; 1 worse; 2 an input is wrong; 3 the runs can't be compared."
)


def compare(
    baseline: Annotated[Path, typer.Argument(help="The run directory of the baseline.", show_default=False)],
    run: Annotated[Path, typer.Argument(help="The run directory to compare with it.", show_default=False)],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, as `comparison` in result.json; null is unknown.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown, for the page of a CI job.")] = False,
    floor: Annotated[
        str, typer.Option(metavar="PERCENT", help="Changes of rates and latencies up to this count as the same.")
    ] = "5 %",
    latency_floor: Annotated[
        str, typer.Option(metavar="TIME", help="So do changes of latencies up to this.")
    ] = "0.2 ms",
    error_floor: Annotated[
        str, typer.Option(metavar="POINTS", help="So do changes of the share of errors up to this.")
    ] = "0.1 %",
) -> None:
    """Compare two runs of a scenario: rate, errors and latencies of every endpoint, and whether they differ by more than chance."""
    from master.analysis.compare.files import compare_runs  # noqa: PLC0415
    from master.commands.stored.floors import parse_floors  # noqa: PLC0415

    if as_json and markdown:
        raise InputError("--json and --markdown exclude each other", hint="Name one of the two.")
    floors = parse_floors(floor, latency_floor, error_floor)
    comparison = compare_runs(baseline, run, floors)
    if as_json:
        import msgspec  # noqa: PLC0415

        print(msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode())  # noqa: T201  # what was asked for
    elif markdown:
        from master.report.comparison.markdown import comparison_markdown  # noqa: PLC0415

        print(comparison_markdown(comparison), end="")  # noqa: T201  # what was asked for
    else:
        from master.report.comparison.terminal import print_comparison  # noqa: PLC0415

        console = Console()
        print_comparison(console if console.is_terminal else Console(width=LOG_WIDTH), comparison)
    if lost := streams.lost_output():
        raise InputError(f"standard output can't be written: {lost.strerror}", hint="What was asked for is incomplete.")
    raise typer.Exit({"worse": ExitCode.FAIL, "unknown": ExitCode.INVALID}.get(comparison.outcome, ExitCode.PASS))
