"""The command `piswarm logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from master.commands.arguments import NamedRun
from master.errors import InputError
from worker import streams

EPILOG = (
    "Example: [bold]piswarm logs runs/swarm-20260301-120000 --node sim004 --follow[/bold]\n\n"
    "Exit status: 0; 2 when there is no such run or node."
)


def logs(
    directory: NamedRun = None,
    *,
    node: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE",
            help="Only lines of this node, worker (as pi007_0) or other process; again for more of them.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until the run ends.")] = False,
) -> None:
    """Show what a run's locustfile and processes have printed and logged on all nodes, each line with time and worker."""
    from master.logs import show  # noqa: PLC0415
    from master.nodes.command import find_run  # noqa: PLC0415

    found, wanted = find_run(directory), node or []
    all_logs = show.find_logs(found, wanted)
    if follow:
        show.follow(all_logs, wanted, found)
    else:
        show.show(all_logs, wanted)
    if lost := streams.lost_output():
        raise InputError(f"standard output can't be written: {lost.strerror}", hint="What was asked for is incomplete.")
