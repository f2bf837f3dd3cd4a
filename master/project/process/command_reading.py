"""A command line as Locust takes it, read by Locust's own parser once the locustfile has added its options to it."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from locust.argument_parser import DEFAULT_CONFIG_FILES, get_empty_argument_parser

from master.project.other_options import BREAK, OTHER_OPTIONS
from master.project.process.command_line import CommandLine, CommandOrders, GivenOption
from master.project.process.option_places import Place, fault_of, option_places
from worker.load.locustfile.options import OptionsError, make_parser
from worker.wire.work import ArgumentValue


def read_command_line(orders: CommandOrders, environment: Mapping[str, str]) -> CommandLine:
    """What the words say, of whose locustfile the import is over. Raises OptionsError."""
    parser, own = make_parser()
    known = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001  # argparse has no public way
    own_help = _help(parser, own)
    if orders.only_help:
        return CommandLine(known=known, own_help=own_help)
    if BREAK not in known:
        parser.add_argument(BREAK, action="store_true", dest=argparse.SUPPRESS, default=argparse.SUPPRESS)
    given: dict[argparse.Action, list[list[str]]] = {}
    with _said_as_error(parser), _noting(parser, own, given, orders):
        options, unknown = parser.parse_known_args(
            args=orders.words, env_vars=dict(environment) if orders.configured else {}
        )
    found = option_places(parser)
    places = found.by_action
    named = any(any(words) for action, words in given.items() if action.dest == "user_classes")
    return CommandLine(
        users=options.num_users,
        spawn_rate=options.spawn_rate,
        run_time_s=options.run_time,
        host=options.host,
        tags=options.tags or None,
        exclude_tags=options.exclude_tags or None,
        stop_timeout_s=float(options.stop_timeout) if any(each.dest == "stop_timeout" for each in given) else None,
        user_classes=options.user_classes if named or orders.configured else [],  # or else of the environment
        csv_prefix=options.csv_prefix,
        csv_full_history=options.stats_history_enabled,
        html_file=options.html_file,
        json=options.json,
        json_file=options.json_file,
        lists_classes=options.list_commands,
        arguments=dict(_own_arguments(options, own, given, places)),
        others=[
            GivenOption(name, places[action].where if action in places else "")
            for action in given
            if (name := _name_of(action)) in OTHER_OPTIONS
        ],
        unknown=[word for word in unknown if word != BREAK],
        own=[name for action in own for name in action.option_strings],
        known=known,
        own_help=own_help,
        places={
            **{name: place.where for name, place in found.unknown.items()},
            **{_name_of(action): place.where for action, place in places.items()},
            **({} if named or not options.user_classes else {"user classes": "LOCUST_USER_CLASSES"}),
        },
    )


def _name_of(action: argparse.Action) -> str:
    return max(action.option_strings, key=len, default=action.dest)


@contextlib.contextmanager
def _noting(
    parser: Any, own: Iterable[Any], given: dict[argparse.Action, list[list[str]]], orders: CommandOrders
) -> Iterator[None]:
    """The parser, which is the one of the process, notes the words that it reads for each action; it is as before at the end."""
    read_values, required = parser._get_values, [action for action in own if action.required]  # noqa: SLF001

    def note_values(action: argparse.Action, words: list[str]) -> Any:
        given.setdefault(action, []).append(list(words))
        return read_values(action, words)

    parser._get_values = note_values  # noqa: SLF001
    parser._default_config_files = list(DEFAULT_CONFIG_FILES) if orders.configured else []  # noqa: SLF001
    for action in required:
        action.required = False  # a scenario may give it; whether anything does is another check
    try:
        yield
    finally:
        del parser._get_values  # noqa: SLF001
        parser._default_config_files = []  # noqa: SLF001
        for action in required:
            action.required = True


def find_locustfiles(words: Sequence[str], environment: Mapping[str, str]) -> tuple[list[str], str]:
    """The locustfiles that Locust would take where its option -f is not given, and what names them: a variable, a file, or nothing.

    Raises OptionsError.
    """
    parser = get_empty_argument_parser(add_help=False)
    with _said_as_error(parser):
        options, _ = parser.parse_known_args(args=list(words), env_vars=dict(environment))
    place = next(
        (each for action, each in option_places(parser).by_action.items() if action.dest == "locustfile"), None
    )
    return [file.strip() for file in options.locustfile.split(",")], "" if place is None else str(place)


@contextlib.contextmanager
def _said_as_error(parser: Any) -> Iterator[None]:
    """What the parser ends the process for is an OptionsError, with the place of what is wrong."""
    said, files = io.StringIO(), []
    open_file = parser._config_file_open_func  # noqa: SLF001

    def open_noted(file: str) -> Any:
        stream = open_file(file)
        files.append(file)
        return stream

    parser._config_file_open_func = open_noted  # noqa: SLF001
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            yield
    except SystemExit as end:
        text = said.getvalue()
        message = text.partition("error: ")[2].strip() or text.strip()
        if not end.code:
            message = "only says a version: `piswarm --version` says piswarm's"
        raise OptionsError(fault_of(message, parser, files)) from None
    except ValueError as error:  # a count in a file or variable that is no number
        raise OptionsError(f"a value of a configuration file or variable can't be read: {error}") from None
    finally:
        parser._config_file_open_func = open_file  # noqa: SLF001


def _own_arguments(
    options: argparse.Namespace,
    own: Iterable[Any],
    given: Mapping[argparse.Action, Sequence[list[str]]],
    places: Mapping[argparse.Action, Place],
) -> Iterator[tuple[str, ArgumentValue]]:
    """Values as the keys of a scenario's `arguments` have them (worker/load/locustfile/options.py). Raises OptionsError."""
    for action in own:
        variable = getattr(action, "env_var", None)
        if action not in given or (variable and action in places and places[action].where == variable):
            continue  # variables are sent by themselves, since their values may be secret
        name = max(action.option_strings, key=len, default=action.dest).lstrip("-").replace("-", "_")
        values = given[action]
        if action.nargs == 0:
            counts = isinstance(action, argparse._CountAction)  # noqa: SLF001  # there is no public name
            switch = not isinstance(action, argparse.BooleanOptionalAction) or bool(getattr(options, action.dest))
            yield name, str(len(values)) if counts else switch
        elif action.nargs is None and not isinstance(action, argparse._AppendAction):  # noqa: SLF001
            yield name, values[-1][0]
        elif action.nargs is None:
            yield name, [value for each in values for value in each]
        elif isinstance(action, argparse._AppendAction) and len(values) > 1:  # noqa: SLF001
            raise OptionsError(
                f"--{name}: is given twice, and has several values each time: that can't be sent to nodes"
            )
        elif action.option_strings or values[-1]:
            yield name, values[-1]


def _help(parser: Any, own: Sequence[Any]) -> str:
    if not own:
        return ""
    formatter = parser._get_formatter()  # noqa: SLF001
    for group in parser._action_groups:  # noqa: SLF001
        actions = [action for action in group._group_actions if action in own]  # noqa: SLF001
        if actions:
            first = group is parser._optionals  # noqa: SLF001
            formatter.start_section("Options of the locustfile's own" if first else group.title)
            formatter.add_text(group.description)
            formatter.add_arguments(actions)
            formatter.end_section()
    return str(formatter.format_help()).strip("\n")
