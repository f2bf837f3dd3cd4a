"""Faults between the keys of one part of a scenario, which are found whatever is wrong with its other parts."""

from __future__ import annotations

from pydantic import ValidationError

from master.scenario.load_stages import ShapeLoad, find_curve_faults
from master.scenario.rules import find_model_fault, parse_threshold
from master.scenario.schema.base import duration
from master.scenario.schema.stages import OpenStageShape, model_of
from master.scenario.units import MAX_DURATION_S
from master.yaml_file.document import Document, Place

_MODELS = {"closed": "users", "open": "a rate"}


def note_load_faults(document: Document) -> set[str]:
    """Add what is wrong between the stages of `load`, and within those of the open model; the models that they are of."""
    stages = document.data.get("load") if isinstance(document.data, dict) else None
    if not isinstance(stages, list):
        return set()
    models = [model_of(stage) for stage in stages]
    other = next((index for index, model in enumerate(models) if model != models[0]), None)
    if other is not None:
        document.fault(
            ("load", other),
            f"has {_MODELS[models[other]]}, and load[0] has {_MODELS[models[0]]}: a load is of one model, "
            "closed (users) or open (a rate); make two scenarios of it",
        )
    for index, stage in enumerate(stages):
        if models[index] == "open":
            try:
                shape = OpenStageShape.model_validate(stage)
            except ValidationError:
                continue  # told of by the whole file's check
            for place, text in find_curve_faults(shape.stage()):
                document.fault(("load", index, *_in_file(place, stage)), text)
    return set(models)


def read_shape_load(document: Document) -> ShapeLoad | None:
    """What `load` says where a LoadTestShape is to say how many users run; None where it has stages. Faults are added."""
    load = document.data.get("load") if isinstance(document.data, dict) else None
    if load == "shape":
        return ShapeLoad()
    if not (isinstance(load, dict) and "shape" in load):
        return None
    name, run_time_s = load["shape"], None
    if not (isinstance(name, str) and name.isidentifier()):
        document.fault(
            ("load", "shape"), f"{name!r:.100} is no name of a LoadTestShape; `load: shape` takes the only one"
        )
    for key in load.keys() - {"shape", "run_time"}:
        document.fault(("load", key), "unknown key beside `shape`: there is `run_time`, e.g. 5m")
    if "run_time" in load:
        try:
            run_time_s = duration(1, MAX_DURATION_S)(load["run_time"])
        except ValueError as error:
            document.fault(("load", "run_time"), str(error))
    return ShapeLoad(None if name == "any" else str(name), run_time_s)


def _in_file(place: Place, stage: dict[str, object]) -> Place:
    """`place` without the index of a spike that stands without a list."""
    return ("spike",) if place[0] == "spike" and isinstance(stage["spike"], dict) else place


def note_rule_faults(document: Document, *, open_model: bool) -> None:
    """Add a fault for each threshold that has no meaning in the model of the load."""
    rules = document.data.get("thresholds") if isinstance(document.data, dict) else None
    if not isinstance(rules, list):
        return
    for index, text in enumerate(rules):
        try:
            fault = find_model_fault(parse_threshold(text), open_model=open_model)
        except ValueError:
            continue  # told of by the whole file's check
        if fault:
            document.fault(("thresholds", index), fault)
