"""One finding of pydantic's as a sentence for the operator, where it is of a common kind."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic_core import ErrorDetails

from master.scenario.suggest import did_you_mean
from master.scenario.units import format_count

_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "string_type": "text (quote it if it is meant)",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
}
_BOUNDS = {
    "greater_than": ("gt", "must be more than"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be less than"),
    "less_than_equal": ("le", "must be at most"),
}


def describe_finding(finding: ErrorDetails) -> str:
    """The sentence, for every kind of finding but a missing or an unknown key."""
    kind, context = finding["type"], finding.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {_shown(finding['input'])}"
    if kind in _BOUNDS:
        bound, phrase = _BOUNDS[kind]
        return f"{phrase} {format_count(context[bound])}, not {_shown(finding['input'])}"
    return finding["msg"]


def describe_unknown_key(key: str, known: Iterable[str]) -> str:
    """The sentence for a key that is none of `known`."""
    known = list(known)
    return f"unknown key{did_you_mean(key, known)} (known: {', '.join(known)})"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true/false"
    return f"{value!r:.60}"
