"""Locust's command line options, as a locustfile reads them (`environment.parsed_options`), with those that it adds itself.

Locust's own options say what the run does. Options of the locustfile's own have the value that the scenario gives (`arguments`),
or else that of the environment variable that each names on whichever machine `piswarm run` was started, where the controller
reads it (`own_variables`), or else their default. Every worker gets the same.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import locust
from locust import argument_parser

from worker.wire.work import ArgumentValue, Work


class OptionsError(Exception):
    """Raised when the locustfile's own options can't be read; the message says why."""


@dataclass(frozen=True)
class OwnOption:
    """An option that the locustfile has added, and the environment variable that gives it a value, if any."""

    name: str
    variable: str | None


def own_options() -> list[OwnOption]:
    """The options that the imported locustfile has added. Raises OptionsError."""
    _, own = make_parser()
    return [
        OwnOption((action.option_strings or [action.dest])[-1], getattr(action, "env_var", None) or None)
        for action in own
    ]


def own_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Of `environment`, the variables that options of the imported locustfile's own name. Raises OptionsError."""
    names = [option.variable for option in own_options()]
    return {name: environment[name] for name in names if name is not None and name in environment}


def locust_variables() -> frozenset[str]:
    """The environment variables that Locust's own options name."""
    parser = argument_parser.get_empty_argument_parser(default_config_files=[])
    argument_parser.setup_parser_arguments(parser)
    return frozenset(filter(None, (getattr(action, "env_var", None) for action in parser._actions)))  # noqa: SLF001


def parse_options(
    variables: Mapping[str, str], arguments: Mapping[str, ArgumentValue] = MappingProxyType({})
) -> Namespace:
    """All options at their defaults, but for those of the locustfile's own that `variables` or `arguments` give. Raises OptionsError."""
    parser, own = make_parser()
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
        try:
            options: Namespace = parser.parse_args(args=_command_line(own, arguments), env_vars=dict(variables))
        except SystemExit:
            raise OptionsError(stderr.getvalue().partition("error: ")[2].strip() or stderr.getvalue().strip()) from None
    return options


def _command_line(own: Iterable[Any], arguments: Mapping[str, ArgumentValue]) -> list[str]:
    """The words of a command line that gives `arguments` to the locustfile's `own` options. Raises OptionsError."""
    by_name = {
        name.lstrip("-").replace("-", "_"): action for action in own for name in (*action.option_strings, action.dest)
    }
    options: list[str] = []
    positional: list[str] = []
    for name, value in arguments.items():
        action = by_name.get(name)
        if action is None:
            known = ", ".join(sorted({action.dest for action in own})) or "none"
            raise OptionsError(f"the locustfile has no option {name!r} of its own (it has: {known})")
        flag = max(action.option_strings, key=len, default="")
        values = value if isinstance(value, list) else [str(value)]
        if not flag:
            positional += values
        elif isinstance(action, argparse._CountAction):  # noqa: SLF001  # there is no public name
            options += [flag] * min(int(value), 100) if isinstance(value, str) and value.isdecimal() else [flag]
        elif action.nargs == 0:  # a flag, that is there or not
            if not isinstance(value, bool):
                raise OptionsError(f"{name}: the option is a flag, so its value is true or false")
            if isinstance(action, argparse.BooleanOptionalAction):
                options.append(next(each for each in action.option_strings if each.startswith("--no-") != value))
            elif value:
                options.append(flag)
        elif action.nargs is None:
            options += [f"{flag}={each}" for each in values]  # one that may be given several times
        else:
            options += [flag, *values]
    return [*options, *(["--", *positional] if positional else [])]


def worker_options(work: Work) -> Namespace:
    """The options of a worker that does this work: those of Locust's that say what a run does are as if they had been given."""
    options = parse_options(work.variables, work.arguments)
    options.host = work.host
    if work.users_max:  # else a load shape says it as it goes
        options.num_users, options.spawn_rate, options.run_time = work.users_max, work.spawn_rate, work.duration_s
    options.stop_timeout = work.stop_timeout_s
    options.headless = options.worker = True
    options.tags, options.exclude_tags = work.tags, work.exclude_tags
    if work.locustfiles:
        options.locustfile = ",".join(work.locustfiles)
    return options


def make_parser() -> tuple[Any, Sequence[Any]]:
    """Locust's parser, without any configuration file, and the options that the locustfile has added. Raises OptionsError.

    It is made once: the event fires once in a process, as with Locust.
    """
    return _parser_by(tuple(locust.events.init_command_line_parser._handlers))  # noqa: SLF001  # Locust has no public way


@lru_cache(maxsize=1)
def _parser_by(listeners: tuple[Callable[..., None], ...]) -> tuple[Any, Sequence[Any]]:
    parser = argument_parser.get_empty_argument_parser(default_config_files=[])
    argument_parser.setup_parser_arguments(parser)
    before = len(parser._actions)  # noqa: SLF001  # argparse has no public way
    for listener in listeners:
        try:
            listener(parser=parser)
        except Exception as error:
            raise OptionsError(
                f"a listener of init_command_line_parser failed: {type(error).__name__}: {error}"
            ) from error
    return parser, parser._actions[before:]  # noqa: SLF001
