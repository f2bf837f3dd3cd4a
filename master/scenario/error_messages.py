"""Pydantic's validation errors of a scenario as sentences for the operator, each at its place in the file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from master.scenario.schema import NodesShape, RackShape, ScenarioShape, StageShape, TracingShape, ValidityShape
from master.scenario.suggest import did_you_mean
from master.scenario.units import format_count
from master.yaml_file.document import Document, Place

# The model of each place; list positions are not part of a place.
_SHAPES: Mapping[Place, type[BaseModel]] = {
    (): ScenarioShape,
    ("load",): StageShape,
    ("nodes",): NodesShape,
    ("rack",): RackShape,
    ("tracing",): TracingShape,
    ("validity",): ValidityShape,
}
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


def note_findings(document: Document, findings: ValidationError) -> None:
    """Add one fault to `document` for each finding; its sentence is made when it is shown."""
    for finding in findings.errors(include_url=False):
        place: Place = tuple(part for part in finding["loc"] if part != "[key]")
        extra_key = finding.get("ctx", {}).get("key")
        document.fault(place if extra_key is None else (*place, extra_key), partial(_sentence, finding, place))


def _sentence(finding: ErrorDetails, place: Place) -> str:
    kind, context = finding["type"], finding.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "required, but not given"
    if kind == "extra_forbidden":
        known = _SHAPES[tuple(part for part in place[:-1] if isinstance(part, str))].model_fields
        return f"unknown key{did_you_mean(str(place[-1]), known)} (known: {', '.join(known)})"
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {_shown(finding['input'])}"
    if kind in _BOUNDS:
        bound, phrase = _BOUNDS[kind]
        return f"{phrase} {format_count(context[bound])}, not {_shown(finding['input'])}"
    return finding["msg"]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true/false"
    return f"{value!r:.60}"
