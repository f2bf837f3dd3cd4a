"""Options of `piswarm run` from environment variables PISWARM_RUN_…: an option wins over a variable, a variable over the default.

Imported whenever the command starts, so that it imports nothing but Typer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

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
        rest = super().parse_args(ctx, args)
        silenced = [name for name, others in _OVERRULED_BY.items() if _said(ctx, others)]
        self._forget(ctx, silenced)
        if ctx.params["inventory"] is None:  # they would be refused beside simulated nodes, as options are
            self._forget(ctx, _OF_REAL_NODES)
        return rest

    def _forget(self, ctx: Any, names: Sequence[str]) -> None:
        for option in self.params:
            if option.name in names and _source(ctx, option.name) == "ENVIRONMENT":
                ctx.params[option.name] = option.process_value(ctx, option.get_default(ctx))


def _said(ctx: Any, names: Sequence[str]) -> bool:
    return any(_source(ctx, name) == "COMMANDLINE" for name in names)


def _source(ctx: Any, name: str) -> str:
    source = ctx.get_parameter_source(name)
    return "" if source is None else str(source.name)
