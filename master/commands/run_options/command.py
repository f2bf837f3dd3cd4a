"""How the command line of `piswarm run` is read: piswarm's options by Typer, all else by Locust's parser, as soon as the locustfile is known."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from master.commands.output import show_lines
from master.commands.run_options.locust_panel import locust_options, values_of
from master.commands.run_options.words import Values, find_scenario, has_project, is_scenario, sort_words
from master.environments.run_options import RunCommand, said
from master.errors import InputError

_GIVEN = "piswarm.given"


@dataclass(frozen=True)
class GivenWords:
    """What Typer does not read."""

    words: list[str]
    """For Locust's parser."""
    options: list[str]
    """The names of piswarm's own options."""
    locustfiles: list[str]
    """Those of -f, which the help looks into."""


def given_words(context: Any) -> GivenWords:
    """The words of the command line of this context that Typer has not read."""
    found: GivenWords = context.meta[_GIVEN]
    return found


class ProjectCommand(RunCommand):
    """A command that runs a scenario, or a Locust project by the options that Locust has."""

    def __init__(self, *arguments: Any, params: list[Any] | None = None, **settings: Any) -> None:
        """As for RunCommand, with the options of Locust's beside `params`."""
        self._locusts = locust_options()
        super().__init__(*arguments, params=[*(params or []), *self._locusts], **settings)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As for RunCommand; raises InputError where a scenario and a locustfile are named."""
        ours = {
            name: values_of(option)
            for option in self.get_params(ctx)
            if option not in self._locusts and option.param_type_name == "option"
            for name in (*option.opts, *option.secondary_opts)
        }
        locusts: dict[str, Values] = {name: values_of(option) for option in self._locusts for name in option.opts}
        words = sort_words(args, ours)
        rest = words.rest
        locustfiles = _values(words.ours, ("-f", "--locustfile"))
        index = find_scenario(rest, locusts, has_project=bool(locustfiles) or has_project(Path.cwd(), os.environ))
        scenario = []
        if locustfiles and index is not None and is_scenario(rest[index]):
            raise InputError(
                f"a scenario ({rest[index]}) and a locustfile (-f) exclude each other",
                hint="Name the locustfile in the scenario, or leave the scenario out.",
            )
        if swapped := next((file for file in locustfiles if is_scenario(file)), None):
            raise InputError(f"-f {swapped}: a scenario is no locustfile", hint=f"piswarm run {swapped}")
        if not locustfiles and index is not None:
            if Path(rest[index]).suffix == ".py":
                raise InputError(f"{rest[index]}: a locustfile is no scenario", hint=f"piswarm run -f {rest[index]}")
            scenario = ["--", rest[index]]
            rest = [*rest[:index], *rest[index + 1 :]]
        ctx.meta[_GIVEN] = GivenWords(rest, list(ours), locustfiles)
        left = super().parse_args(ctx, [*words.ours, *scenario])
        if any(word.partition("=")[0] == "--run-time" or word[:2] == "-t" for word in rest):
            if said(ctx, ["duration"]):
                raise InputError("--duration and --run-time are the same: name one of the two")
            self.forget(ctx, ["duration"])
        return left

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, with the options of the locustfile's own where one is named."""
        super().format_help(ctx, formatter)
        if ctx.meta[_GIVEN].locustfiles:
            import locust  # noqa: F401, PLC0415

            from master.project.command_loading import open_project  # noqa: PLC0415

            with closing(open_project(ctx.meta[_GIVEN].locustfiles, [], only_help=True)) as opened:
                show_lines(opened.command.own_help.splitlines() or ["The locustfile has no options of its own."])


def _values(words: list[str], names: tuple[str, ...]) -> list[str]:
    """The values that words of piswarm's give to the option of these names."""
    apart = [after for before, after in pairwise(words) if before in names]
    return apart + [word.partition("=")[2] for word in words if "=" in word and word.partition("=")[0] in names]
