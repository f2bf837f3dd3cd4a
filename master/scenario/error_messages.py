"""Pydantic's validation errors of a scenario as sentences for the operator, each at its place in the file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from master.scenario.findings import describe_finding, describe_unknown_key
from master.scenario.schema.data import DataShape
from master.scenario.schema.scenario import NodesShape, RackShape, ScenarioShape, TracingShape, ValidityShape
from master.scenario.schema.soak import SoakShape
from master.scenario.schema.stages import CLOSED_KEYS, OPEN_KEYS, OpenStageShape, SineShape, SpikeShape, StageShape
from master.yaml_file.document import Document, Place

# The model of each place; list positions are not part of a place, the name of a table of data is "*", and a stage's model is.
_SHAPES: Mapping[Place, type[BaseModel]] = {
    (): ScenarioShape,
    ("load", "closed"): StageShape,
    ("load", "open"): OpenStageShape,
    ("load", "open", "sine"): SineShape,
    ("load", "open", "spike"): SpikeShape,
    ("data", "*"): DataShape,
    ("nodes",): NodesShape,
    ("rack",): RackShape,
    ("soak",): SoakShape,
    ("tracing",): TracingShape,
    ("validity",): ValidityShape,
}
_STAGE_REMEDIES = {
    "users": ": how many users run; or, for arrivals, give a rate and max_users in place of users and spawn_rate",
    "max_users": (
        ": the most users that may be busy at a time, so rate × latency or more: for 500/s and answers within 0.1s, 50"
    ),
}

_MODEL_AT = 2
"""Where in a finding's location a stage's model stands: load, index, model."""


def note_findings(document: Document, findings: ValidationError) -> None:
    """Add one fault to `document` for each finding; its sentence is made when it is shown."""
    for finding in findings.errors(include_url=False):
        location: Place = tuple(part for part in finding["loc"] if part != "[key]")
        document.fault(_place(document, location), partial(_sentence, finding, location))


def _place(document: Document, location: Place) -> Place:
    """The place in the file for a finding's location: without a stage's model, or the index of what stands without a list."""
    place: Place = ()
    for index, part in enumerate(location):
        is_model = location[0] == "load" and index == _MODEL_AT
        if not is_model and not (isinstance(part, int) and (*place, part) not in document.lines):
            place = (*place, part)
    return place


def _sentence(finding: ErrorDetails, place: Place) -> str:
    kind, in_load = finding["type"], place[:1] == ("load",)
    if kind == "missing":
        return f"required, but not given{_STAGE_REMEDIES.get(str(place[-1]), '') if in_load else ''}"
    if kind == "extra_forbidden":
        return _unknown_key(place)
    remedy = ": begin each stage with '- '" if kind == "list_type" and place == ("load",) else ""
    return f"{describe_finding(finding)}{remedy}"


def _unknown_key(place: Place) -> str:
    of = ("data", "*") if place[0] == "data" else tuple(part for part in place[:-1] if isinstance(part, str))
    key, shape = str(place[-1]), _SHAPES[of]
    if shape is OpenStageShape and key in CLOSED_KEYS:
        return "is of the closed model, and this stage has a rate: leave it out; max_users bounds how many are busy"
    if shape is StageShape and key in OPEN_KEYS:
        return "is of the open model, and this stage has users: leave it out, or give a rate in place of users and spawn_rate"
    return describe_unknown_key(key, [field.alias or name for name, field in shape.model_fields.items()])
