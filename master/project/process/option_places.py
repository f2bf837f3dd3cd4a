"""Where options were given that are not on the command line: the environment variable, or the file and line."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TOML_SECTION = "[tool.locust]"
_KEY_BEFORE = re.compile(r"(?:Unexpected value for )?(?P<key>\S+?)(?:: '| can't )")
"""How ConfigArgParse's own faults name a key."""
_UNEXPECTED_LINE = re.compile(r"Unexpected line (?P<index>\d+) in (?P<file>.+?): (?P<text>.*)", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """Where an option was given, and by what name there: a key of a file, or the variable itself."""

    key: str
    where: str
    """`locust.conf:3`, or the variable's name."""

    def __str__(self) -> str:
        """What a fault begins with: `locust.conf:3: users`, or `LOCUST_USERS`."""
        return self.where if self.where == self.key else f"{self.where}: {self.key}"


@dataclass(frozen=True)
class OptionPlaces:
    """The options of one reading that were given elsewhere than on the command line."""

    by_action: Mapping[argparse.Action, Place] = field(default_factory=dict)
    unknown: Mapping[str, Place] = field(default_factory=dict)
    """Of keys that no option has, by the word that the parser makes of them: `--userz`."""


def option_places(parser: Any) -> OptionPlaces:
    """The places of the options that this parser has read, or has tried to."""
    by_action: dict[argparse.Action, Place] = {}
    unknown: dict[str, Place] = {}
    for source, settings in parser.get_source_to_settings_dict().items():
        kind, _, file = source.partition("|")
        for key, (action, _) in settings.items():
            if kind == "environment_variables":
                by_action[action] = Place(key, key)
            elif kind == "config_file" and action is None:
                unknown[f"--{key.lstrip('-')}"] = Place(key, _where(file, key))
            elif kind == "config_file":
                by_action[action] = Place(key, _where(file, key))
    return OptionPlaces(by_action, unknown)


def fault_of(message: str, parser: Any, files: Sequence[str]) -> str:
    """A fault of the parser's, in its words, behind the place of what is wrong. `files` are the configuration files that were read."""
    if unexpected := _UNEXPECTED_LINE.fullmatch(message):
        return f"{unexpected['file']}:{int(unexpected['index']) + 1}: not read: {unexpected['text']}"
    if message.startswith("Couldn't parse TOML file"):
        return next(_broken_toml(files), message)
    name, colon, what = message.removeprefix("argument ").partition(": ")
    if message.startswith("argument ") and colon:
        action = next((each for each in parser._actions if "/".join(each.option_strings) == name), None)  # noqa: SLF001  # argparse has no public way
        place = option_places(parser).by_action.get(action) if action is not None else None
        return f"{name if place is None else place}: {what}"
    if said := _KEY_BEFORE.match(message):
        places = ((file, _line_of(file, said["key"])) for file in reversed(files))
        return next((f"{file}:{line}: {message}" for file, line in places if line is not None), message)
    return message


def _where(file: str, key: str) -> str:
    line = _line_of(file, key)
    return file if line is None else f"{file}:{line}"


def _line_of(file: str, key: str) -> int | None:
    """The line on which a file gives this key its value: the last one, which wins."""
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return None
    is_key = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*(?:[:=\s]|$)""")
    found, in_section = None, not file.endswith(".toml")
    for number, line in enumerate(lines, 1):
        if file.endswith(".toml") and line.lstrip().startswith("["):
            in_section = line.split("#")[0].strip().replace(" ", "") == _TOML_SECTION
        elif in_section and is_key.match(line):
            found = number
    return found


def _broken_toml(files: Sequence[str]) -> Iterator[str]:
    for file in files:
        if file.endswith(".toml"):
            try:
                tomllib.loads(Path(file).read_text("utf-8"))
            except (OSError, ValueError) as error:
                yield f"{file}: not TOML: {error}"
