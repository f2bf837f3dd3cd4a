"""`piswarm nodes`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from master.commands.arguments import NamedRun
from master.errors import InputError
from master.nodes.now import Column
from worker import streams

EPILOG = (
    "Example: [bold]piswarm nodes --sort temperature --reverse --only hot,throttled[/bold]\n\n"
    "Exit status: 0; 2 when there is no such run."
)


def nodes(
    directory: NamedRun = None,
    *,
    sort: Annotated[Column, typer.Option(help="Sort by this column; what is unknown comes last.")] = Column.NODE,
    reverse: Annotated[bool, typer.Option("--reverse", help="The largest first.")] = False,
    only: Annotated[
        str | None, typer.Option(metavar="STATES", help="Only nodes in these states, such as hot,lost.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, schema piswarm/nodes/1; null is unknown.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second until the run ends.")] = False,
) -> None:
    """Show the nodes of a run as they are now, or were at its end. Reads the run and changes nothing of it."""
    from master.nodes import command  # noqa: PLC0415

    if as_json and watch:
        raise InputError("--json and --watch exclude each other", hint="Ask with --json as often as you like.")
    pick = command.arrange(sort, command.parse_states(only), reverse=reverse)
    found = command.find_run(directory)
    if as_json:
        command.show_json(found, pick)
    elif watch:
        command.watch(found, pick, Console())
    else:
        command.show_once(found, pick)
    if lost := streams.lost_output():
        raise InputError(f"standard output can't be written: {lost.strerror}", hint="What was asked for is incomplete.")
