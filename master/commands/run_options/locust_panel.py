"""Options of `piswarm run` that Locust's own parser reads: they are declared here for the help alone, and to be known by name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from master.commands.run_options.words import Values

# As long as fits on a line of 80 characters: what is beyond it is cut off.
_PANEL = "As Locust has them (without a scenario also LOCUST_… and locust.conf)"


def _option(*names: str, metavar: str | None, help: str) -> Any:  # noqa: A002  # Typer's word for it
    return typer.Option(
        *names, metavar=metavar, help=help, rich_help_panel=_PANEL, allow_from_autoenv=False, show_default=False
    )


_panel = typer.Typer(add_completion=False)


@_panel.command()
def _options(
    *,
    spawn_rate: Annotated[
        str | None,
        _option(
            "--spawn-rate", "-r", metavar="NUMBER", help="Users that are started per second. [dim]\\[default: 1][/dim]"
        ),
    ] = None,
    run_time: Annotated[
        str | None,
        _option(
            "--run-time",
            "-t",
            metavar="TIME",
            help="How long the load takes, ramp included: 90, 90s, 1h30m. [dim]\\[default: 1m][/dim]",
        ),
    ] = None,
    tags: Annotated[
        str | None, _option("--tags", "-T", metavar="TAG…", help="Only tasks with one of these tags.")
    ] = None,
    exclude_tags: Annotated[
        str | None, _option("--exclude-tags", "-E", metavar="TAG…", help="No tasks with one of these tags.")
    ] = None,
    stop_timeout: Annotated[
        str | None,
        _option(
            "--stop-timeout",
            "-s",
            metavar="TIME",
            help="Time for tasks to be finished at the end. [dim]\\[default: 10s][/dim]",
        ),
    ] = None,
    csv: Annotated[
        str | None,
        _option(
            "--csv",
            metavar="PREFIX",
            help="Also write PREFIX_stats.csv, _stats_history.csv, _failures.csv and _exceptions.csv.",
        ),
    ] = None,
    csv_full_history: Annotated[
        bool, _option("--csv-full-history", metavar=None, help="The history of each endpoint, too.")
    ] = False,
    html: Annotated[
        str | None,
        _option(
            "--html", metavar="FILE", help="Also write the report there; {u}, {r} and {t} in its name are filled in."
        ),
    ] = None,
    json: Annotated[
        bool,
        _option("--json", metavar=None, help="Write result.json to standard output, and all else to standard error."),
    ] = False,
    json_file: Annotated[
        str | None, _option("--json-file", metavar="FILE", help="Also write result.json there.")
    ] = None,
    list_: Annotated[
        bool, _option("--list", "-l", metavar=None, help="Show the user classes, and run nothing.")
    ] = False,
    config: Annotated[
        str | None, _option("--config", metavar="FILE", help="A further configuration file of Locust's.")
    ] = None,
) -> None:
    """Nothing calls it: Typer reads its signature."""


def locust_options() -> list[Any]:
    """These options, whose values no function gets."""
    found: list[Any] = [each for each in typer.main.get_command(_panel).params if each.name != "help"]
    for each in found:
        each.expose_value = False
    return found


def values_of(option: Any) -> Values:
    """How many values an option takes on a command line."""
    if option.is_flag:
        return Values.NONE
    return Values.MANY if option.metavar and option.metavar.endswith("…") else Values.ONE
