"""The commands `piswarm services …`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from master.errors import ExitCode, InputError
from worker import streams

DEFAULT_SERVICES = Path("configs/services")
DEFAULT_TARGET = "http://127.0.0.1:8080"

services_commands = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="The services that the target is made of, and their health."
)


@services_commands.callback()
def _services() -> None:
    pass


@services_commands.command(
    epilog="Example: [bold]piswarm services check --target http://127.0.0.1:8080[/bold]\n\n"
    "Exit status: 0 all are healthy, 1 one is not, 2 wrong input (then nothing was asked)."
)
def check(
    folder: Annotated[Path, typer.Argument(help="The folder with the files of the services.")] = DEFAULT_SERVICES,
    *,
    target: Annotated[str, typer.Option(metavar="URL", help="The target, of services whose URL is `target`.")] = (
        DEFAULT_TARGET
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, schema piswarm/services/1.")] = False,
) -> None:
    """Read and check the files of the services, ask each service for its health, and show them as a tree of dependence."""
    from master.services.health.check import prepare_questions  # noqa: PLC0415  # pydantic and YAML, which other commands do without
    from master.services.loader import load_services  # noqa: PLC0415
    from master.services.tree import as_json as document_of  # noqa: PLC0415
    from master.services.tree import draw_tree, summarize  # noqa: PLC0415

    catalogue = load_services(folder)
    found = prepare_questions([*catalogue.services.values()], os.environ, target).ask()
    text = (
        json.dumps(document_of(found), indent=2, ensure_ascii=False)
        if as_json
        else "\n".join([*draw_tree(found), "", *summarize(found)])
    )
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
    if lost := streams.lost_output():
        raise InputError(f"standard output can't be written: {lost.strerror}", hint="What was asked for is incomplete.")
    if not all(health.is_well for health in found.values()):
        raise typer.Exit(ExitCode.FAIL)
