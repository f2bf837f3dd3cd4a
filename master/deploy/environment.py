"""Defaults of what all fab tasks can be told, from environment variables; an option of the task wins."""

from __future__ import annotations

from collections.abc import Mapping

from master.errors import InputError

VARIABLES = {
    "inventory": "PISWARM_INVENTORY",
    "state": "PISWARM_FAB_STATE",
    "pool": "PISWARM_FAB_POOL",
    "connect": "PISWARM_FAB_CONNECT_S",
}


def read_defaults(
    defaults: Mapping[str, str | int], bounds: Mapping[str, tuple[int, int]], environment: Mapping[str, str]
) -> dict[str, str | int]:
    """`defaults` with what `environment` says in their place; numbers keep to `bounds`. Raises InputError, which names the variable."""
    found = dict(defaults)
    for name, variable in VARIABLES.items():
        if text := environment.get(variable):
            number = isinstance(defaults[name], int)
            found[name] = _whole_number(variable, text, *bounds[name]) if number else text
    return found


def _whole_number(variable: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise InputError(f"{variable}: {text[:40]} is not a whole number between {least} and {most}")
    return int(text)
