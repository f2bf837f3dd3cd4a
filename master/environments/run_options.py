"""Options of `piswarm run` from environment variables PISWARM_RUN_…: an option wins over a variable, a variable over the default.

Imported whenever the command starts, so that it imports little but Typer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand

from master.errors import InputError

PREFIX = "PISWARM_RUN"
_OVERRULED_BY = {
    "target": ("host",),
    "local": ("inventory",),
    "separate": ("inventory",),
    "inventory": ("local", "separate"),
}
"""Options that exclude each other: what stands on the command line silences a variable of the other."""
_OF_REAL_NODES = ("limit", "state")


class RunCommand(TyperCommand):
    """A command whose variables give way to options that exclude theirs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As for TyperCommand."""
        ctx.auto_envvar_prefix = PREFIX
        try:
            rest = super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if error.param is not None and _source(ctx, error.param.name) == "ENVIRONMENT":
                error.message = f"{_variable(error.param.name)}: {error.message}"
            raise
        silenced = [name for name, others in _OVERRULED_BY.items() if said(ctx, others)]
        self.forget(ctx, silenced)
        if ctx.params["inventory"] is None:  # they would be refused beside simulated nodes, as options are
            self.forget(ctx, _OF_REAL_NODES)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """As for TyperCommand; an error about options tells which of them are variables."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            names = [each.name for each in self.params if _is_told(each, error.message)]
            if variables := [_variable(name) for name in names if _source(ctx, name) == "ENVIRONMENT"]:
                error.hint = " ".join(filter(None, [error.hint, f"Set in the environment: {', '.join(variables)}."]))
            raise

    def forget(self, ctx: Any, names: Sequence[str]) -> None:
        """Have these options their defaults where a variable has given them."""
        for option in self.params:
            if option.name in names and _source(ctx, option.name) == "ENVIRONMENT":
                ctx.params[option.name] = option.process_value(ctx, option.get_default(ctx))


def _variable(name: str | None) -> str:
    return f"{PREFIX}_{name}".upper()


def _is_told(option: Any, message: str) -> bool:
    return any(re.search(rf"(?<![\w-]){re.escape(each)}(?![\w-])", message) for each in option.opts)


def said(ctx: Any, names: Sequence[str]) -> bool:
    """Whether one of these options stands on the command line."""
    return any(_source(ctx, name) == "COMMANDLINE" for name in names)


def _source(ctx: Any, name: str) -> str:
    source = ctx.get_parameter_source(name)
    return "" if source is None else str(source.name)
