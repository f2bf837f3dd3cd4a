"""Checks of host patterns, such as `workers:!rack_a:&lab`, that ansible-core does not make itself. Pure.

Ansible ignores an empty term. A script that passes `"$A,$B"` with both unset must not reach all hosts, so it is an error here.
"""

from __future__ import annotations

import re

_HOST_AND_PORT = re.compile(r"[^:,\[\]]+:[0-9]+")
_BRACKETS = re.compile(r"\[[^\[\]]*\]")
_COLON = re.compile(r":(?![^\[]*\])")
"""A colon between two terms: none within a subscript."""
_SHOWN = 80


class PatternError(ValueError):
    """A host pattern that can't be followed, with the reason."""


def check_pattern(pattern: str) -> None:
    """Raise PatternError for a pattern with an empty or malformed term, or one that Ansible takes for an address."""
    shown = repr(pattern[:_SHOWN])
    if not pattern.strip():
        raise PatternError(f"{shown} is empty")
    if _HOST_AND_PORT.fullmatch(pattern):
        raise PatternError(f"{shown} may be an address with a port: separate the terms with commas")
    for term in pattern.split(",") if "," in pattern else _COLON.split(pattern):
        bare = term.strip().lstrip("&!").strip()
        if not term.strip():
            raise PatternError(f"{shown} has an empty term; if it is an address, separate the terms with commas")
        if bare in ("", "~", "@"):
            raise PatternError(f"{shown}: {term.strip()[:_SHOWN]!r} names nothing")
        if bare[0] == "~":
            _check_expression(bare)
        elif set("[]") & set(_BRACKETS.sub("", bare)):
            raise PatternError(f"{shown}: {term.strip()[:_SHOWN]!r} has a bracket without its other one")


def _check_expression(term: str) -> None:
    """Raise PatternError for an invalid regular expression, or one that matches everything because a part of it is empty."""
    try:
        matches_all = re.match(term[1:], "")
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"{term[:_SHOWN]!r} is no regular expression: {error}") from None
    if matches_all:
        raise PatternError(f"{term[:_SHOWN]!r} matches the empty name, and so every host: say '*' if that is meant")
