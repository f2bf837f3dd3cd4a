"""Pydantic's findings in a service's file as sentences for the operator, each at its place in the file."""

from __future__ import annotations

import typing
from functools import partial

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from master.scenario.findings import describe_finding, describe_unknown_key
from master.scenario.suggest import did_you_mean
from master.services.schema import ServiceShape
from master.yaml_file.document import Document, Place

_MISSING = {
    "load": "required, but not given: write never, since a payment service is never put under load",
    "security": "required, but not given: the security policy, e.g. {tls: required}",
}


def note_findings(document: Document, shape: type[ServiceShape], findings: ValidationError) -> None:
    """Add one fault to `document` for each finding in a file of that `shape`."""
    for finding in findings.errors(include_url=False):
        place: Place = tuple(part for part in finding["loc"] if part != "[key]")
        document.fault(place, partial(_sentence, finding, shape, place))


def _sentence(finding: ErrorDetails, shape: type[BaseModel], place: Place) -> str:
    kind = finding["type"]
    if kind == "missing":
        return _MISSING.get(str(place[-1]), "required, but not given")
    if kind == "extra_forbidden":
        return describe_unknown_key(str(place[-1]), _shape_at(shape, place[:-1]).model_fields)
    if kind == "literal_error":
        known = [str(value) for value in _literals(_shape_at(shape, place[:-1]), str(place[-1]))]
        given = finding["input"]
        if len(known) == 1:
            return f"must be {known[0]}, not {given!r:.60}"
        return f"{given!r:.60} is not known{did_you_mean(str(given), known)} (known: {', '.join(known)})"
    return describe_finding(finding)


def _shape_at(shape: type[BaseModel], place: Place) -> type[BaseModel]:
    """The model of what is at `place` below `shape`; names in a mapping and positions in a list are no part of a model."""
    for part in place:
        field = shape.model_fields.get(str(part))
        if field is not None:
            shape = _model_in(field.annotation) or shape
    return shape


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in typing.get_args(annotation) if (model := _model_in(part)) is not None), None)


def _literals(shape: type[BaseModel], name: str) -> tuple[object, ...]:
    return typing.get_args(shape.model_fields[name].annotation)
