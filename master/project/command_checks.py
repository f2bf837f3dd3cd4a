"""What a command line says by options as Locust has them: what of it is refused or warned of, and what it overrides in a scenario."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import replace

from master.errors import InputError
from master.project.other_options import MEANT_OPTIONS, OTHER_OPTIONS
from master.project.process.command_line import CommandLine, CommandOrders
from master.project.process.command_reading import read_command_line
from master.scenario import Overrides
from master.scenario.schema.scenario import MIN_STOP_S
from master.scenario.suggest import nearest
from master.scenario.units import format_duration
from worker.load.locustfile.options import OptionsError

_MISTYPED = 0.85
"""So alike are a word and the option that it is but for a letter or two."""
HELP = "piswarm run --help shows options; with -f FILE those of its own, too"


def read_without_project(words: Sequence[str]) -> CommandLine:
    """What the words say beside a scenario of the user classes that come with piswarm. Raises InputError."""
    try:
        return read_command_line(CommandOrders(list(words), configured=False), {})
    except OptionsError as error:
        raise InputError(str(error), hint=HELP) from None


def with_line(given: Overrides, line: CommandLine) -> Overrides:
    """Overrides of a scenario by options of piswarm's, `given`, and by a command line of Locust's."""
    if line.user_classes:
        raise InputError(
            f"{' '.join(line.user_classes)}: the scenario's `users` say which classes run",
            hint="Name them there, or run a locustfile without a scenario: -f.",
        )
    return replace(
        given,
        duration_s=line.run_time_s if given.duration_s is None else given.duration_s,
        spawn_rate=line.spawn_rate,
        stop_timeout_s=stop_timeout_s(line),
        tags=None if line.tags is None else tuple(line.tags),
        exclude_tags=None if line.exclude_tags is None else tuple(line.exclude_tags),
        arguments=line.arguments,
    )


def stop_timeout_s(line: CommandLine) -> float | None:
    """The time that tasks have at the end, if the command line says one; workers need a second, where Locust's has none."""
    return None if line.stop_timeout_s is None else max(line.stop_timeout_s, MIN_STOP_S)


def check_command(line: CommandLine, options: Collection[str]) -> list[str]:
    """Warnings of options that have no meaning here. Raises InputError for those that are refused, or that nobody knows."""
    rows = []
    for word in line.unknown:
        name = word.partition("=")[0]
        if name.startswith("-"):
            rows.append(_no_such_option(name, line, options))
        elif not rows:
            rows.append(f"{word}: unexpected; user classes stand together at the end")
    refused = [option for option in line.others if OTHER_OPTIONS[option.name].refused]
    rows += [f"{_shown(option.name, option.place)}: {OTHER_OPTIONS[option.name].why}" for option in refused]
    if rows:
        raise InputError("\n".join(rows), hint=HELP)
    warnings = [
        f"{name} is an option of piswarm's; behind -- it is the locustfile's own: -- {name} VALUE"
        for name in line.own
        if name in options
    ]
    if line.stop_timeout_s is not None and line.stop_timeout_s < MIN_STOP_S:
        warnings.append(
            f"--stop-timeout {format_duration(line.stop_timeout_s)}: at least {format_duration(MIN_STOP_S)}"
        )
    return warnings + [
        f"{_shown(option.name, option.place)} is not used: {OTHER_OPTIONS[option.name].why}" for option in line.others
    ]


def _no_such_option(name: str, line: CommandLine, options: Collection[str]) -> str:
    """What to say of an option that nobody knows, with what is likely meant: rather an option that does something here."""
    bare, place = name.lstrip("-"), line.places.get(name)
    known = {each.removeprefix("--") for each in {*line.known, *options} if each.startswith("--")}
    idle = {each.removeprefix("--") for each in OTHER_OPTIONS}
    mistyped = difflib.get_close_matches(bare, known, n=1, cutoff=_MISTYPED)
    meant = MEANT_OPTIONS.get(bare.lower()) or next(iter(mistyped), None)
    meant = meant or nearest(bare, known - idle) or nearest(bare, known & idle)
    if place is not None:
        return f"{place}: no such option: {bare}" + (f"; did you mean {meant!r}?" if meant else "")
    return f"no such option: {name}" + (f"; did you mean '--{meant}'?" if meant else "")


def _shown(name: str, place: str) -> str:
    return f"{name} ({place})" if place else name
