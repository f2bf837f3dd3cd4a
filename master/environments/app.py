"""`piswarm env …`: one thin function a command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="Make, check and compare environment files: the variables that piswarm's processes read."
)

Layers = Annotated[
    Path | None,
    typer.Option(
        "--layers", help="Directory with environments and templates of your own. [dim]\\[default: those shipped][/dim]"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document. Secrets are not in it.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="An environment file.", show_default=False)]


@app.command(
    epilog="Example: [bold]piswarm env generate --environment production --template pi --out piswarm.env[/bold]\n\n"
    "Exit status: 0; 2 when the input was wrong, and nothing was written."
)
def generate(
    *,
    environment: Annotated[str, typer.Option("--environment", "-e", help="development, staging, production or test.")],
    template: Annotated[str, typer.Option("--template", "-t", help="default, pi, cloud or local.")] = "default",
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a variable; again for more of them.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="GROUP",
            help="Only variables of run, services, fab, agent, target or libpq; again for more of them.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write, with mode 0600.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there; its secrets are kept.")] = False,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Replace a file that is there; its secrets are new.")
    ] = False,
    layers: Layers = None,
    as_json: Json = False,
) -> None:
    """Write an environment: its layers merged, its secrets made."""
    from master.environments import command  # noqa: PLC0415  # pydantic takes a while
    from master.environments.layers import LAYERS  # noqa: PLC0415

    command.generate(
        environment,
        template,
        assignments or [],
        out,
        only=only or [],
        force=force,
        rotate=rotate,
        layers=layers or LAYERS,
        as_json=as_json,
    )


@app.command(epilog="Exit status: 0; 2 when a file is wrong: every fault is named, with file and line.")
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Environment files.", show_default=False)],
    *,
    as_json: Json = False,
) -> None:
    """Check environment files: names, values, secrets, form and mode."""
    from master.environments import command  # noqa: PLC0415

    raise typer.Exit(command.validate(files, as_json=as_json))


@app.command(epilog="Exit status: 0 when both set the same, 1 when not, 2 when a file is wrong.")
def diff(first: File, second: File, *, as_json: Json = False) -> None:
    """Show in what two environment files differ; of secrets, only that they do."""
    from master.environments import command  # noqa: PLC0415

    raise typer.Exit(command.diff(first, second, as_json=as_json))


@app.command(epilog="Exit status: 0; 2 when the file is wrong.")
def show(
    file: File,
    *,
    origin: Annotated[bool, typer.Option("--origin", help="With the file and line that each value is from.")] = False,
    defaults: Annotated[bool, typer.Option("--defaults", help="With what readers take where nothing is set.")] = False,
    layers: Layers = None,
    as_json: Json = False,
) -> None:
    """Show what an environment file sets, and who reads it; secrets are masked."""
    from master.environments import command  # noqa: PLC0415
    from master.environments.layers import LAYERS  # noqa: PLC0415

    command.show(file, origin=origin, defaults=defaults, layers=layers or LAYERS, as_json=as_json)


@app.command()
def variables(
    *,
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the table of the documentation.")] = False,
) -> None:
    """List every variable: kind, range, unit, default, and who reads it."""
    from master.environments import command  # noqa: PLC0415

    command.variables(as_json=as_json, markdown=markdown)
