"""The target's options from environment variables: each option that takes a value has one, and what the command line says wins."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

PREFIX = "PISWARM_TARGET_"


class EnvironmentParser(argparse.ArgumentParser):
    """A parser whose options are also read from the environment. Flags are not: nothing on the command line could take them back."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As for ArgumentParser."""
        self.variables: dict[str, str] = {}
        """The option of each variable. A variable is named after what the option sets, so that its name carries the unit."""
        self._reading: str | None = None
        super().__init__(*arguments, **options)

    def add_argument(self, *arguments: Any, **options: Any) -> argparse.Action:
        """As for ArgumentParser."""
        action = super().add_argument(*arguments, **options)
        if action.option_strings and action.nargs is None:
            self.variables[PREFIX + action.dest.upper()] = action.option_strings[0]
        return action

    def parse_with_environment(
        self, arguments: Sequence[str] | None, environment: Mapping[str, str]
    ) -> argparse.Namespace:
        """Parse options, else variables, else defaults. An empty variable counts as unset. Ends the process with 2."""
        found = argparse.Namespace()
        for variable, option in self.variables.items():
            if value := environment.get(variable):
                self._reading = variable
                self.parse_args([f"{option}={value}"], found)
        self._reading = None
        return self.parse_args(arguments, found)

    def error(self, message: str) -> NoReturn:
        """Name the variable where it is not the command line that is wrong."""
        super().error(message if self._reading is None else f"{self._reading}: {message}")
