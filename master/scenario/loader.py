"""From a scenario file to a `Scenario`, or to one InputError that names every fault with its line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from master.errors import InputError
from master.inputs import decode_input, read_input
from master.scenario.error_messages import note_findings
from master.scenario.load_stages import find_mix_fault, most_users
from master.scenario.model import ExpectedNodes, Scenario, SimulatedRack, ValidityLimits
from master.scenario.overrides import Overrides, override
from master.scenario.part_faults import note_load_faults, note_rule_faults
from master.scenario.project_keys import LocustProject, note_project_faults
from master.scenario.rules import with_defaults
from master.scenario.schema import (
    ScenarioContext,
    ScenarioShape,
    UnfitUsers,
    ValidityShape,
    check_name,
    check_target,
)
from master.scenario.windows import find_hold_fault, find_ramp_fault, find_rate_fault, find_window_fault
from master.yaml_file.document import Document, read_document
from worker.wire.messages import MAX_LOCUSTFILE, Tracing

_NO_OVERRIDES = Overrides()
_ALL_FIT = UnfitUsers()


def load_scenario(
    path: Path,
    known_users: Collection[str],
    overrides: Overrides = _NO_OVERRIDES,
    hosts: Mapping[str, str] = MappingProxyType({}),
    unfit_users: UnfitUsers = _ALL_FIT,
) -> Scenario:
    """The scenario in the file at `path`, with `overrides` applied. `known_users` are the user classes there are.

    The `unfit_users` of them are refused. One without a target has the host of its user classes, where `hosts` has one for them. Raises InputError; all faults of the
    file are in one.
    """
    context = ScenarioContext(path.parent, known_users, unfit_users)
    return override(_read(path, context, overrides.target, hosts), overrides)


def project_of(path: Path, target: str | None = None) -> LocustProject | None:
    """The Locust project that the scenario at `path` names, so that its user classes can be found before `load_scenario`.

    Raises InputError with all the file's faults, except those that need the user classes; `target` is that of the command line.
    """
    return _read(path, ScenarioContext(path.parent, None, _ALL_FIT), target, {}).project


def _read(path: Path, context: ScenarioContext, target: str | None, hosts: Mapping[str, str]) -> Scenario:
    document = read_document(path)
    scenario = None
    project = note_project_faults(document)
    models = note_load_faults(document)
    context = replace(context, open_model="open" in models)
    if len(models) == 1:
        note_rule_faults(document, open_model=context.open_model)
    try:
        shape = ScenarioShape.model_validate(document.data, context=context)
        target = shape.target or target
        if target is None and context.known_users is not None:
            target = _host(document, {name: hosts[name] for name in shape.users if name in hosts})
        if len(models) == 1:
            scenario = _scenario(document, shape, project, target or "", open_model=context.open_model)
    except ValidationError as findings:
        note_findings(document, findings)
        given = document.data if isinstance(document.data, dict) else {}
        if target is None and not (given.get("target") or given.get("locustfile") or given.get("project")):
            _host(document, {})
    document.raise_faults()
    assert scenario is not None  # a scenario, or a fault
    return scenario


def _host(document: Document, hosts: Mapping[str, str]) -> str | None:
    """The one host of the user classes, where the scenario has no target."""
    try:
        if len(set(hosts.values())) == 1:
            return check_target(next(iter(hosts.values())))
    except ValueError as error:
        document.fault(("target",), f"not given, and the host of the user classes {error}")
        return None
    if hosts:
        shown = ", ".join(f"{name} {host}" for name, host in hosts.items())
        document.fault(
            ("target",), f"not given, and all load goes to one, where the user classes have several: {shown}"
        )
    else:
        document.fault(("target",), "required, but not given: here, by --target, or as the host of the user classes")
    return None


def _scenario(
    document: Document, shape: ScenarioShape, project: LocustProject | None, target: str, *, open_model: bool
) -> Scenario:
    name = shape.name or document.file.stem
    if shape.name is None:
        try:
            check_name(name)
        except ValueError as error:
            document.fault(("name",), f"not given, and the file's own {error}")
    load = tuple(stage.stage() for stage in shape.load)
    fault = find_mix_fault(shape.users, most_users(load), open_model=open_model)
    if fault:
        document.fault(("users",), fault)
    for locustfile in () if project is None else project.locustfiles:
        try:
            _check_locustfile(locustfile)
        except InputError as error:
            document.fault(("locustfile",), error.message)
    if fault := find_ramp_fault(load) or find_hold_fault(load, shape.sample_period):
        document.fault(("load",), fault)
    for index, rule in enumerate(shape.thresholds):
        if fault := find_window_fault(rule, load) or find_rate_fault(rule, load):
            document.fault(("thresholds", index), fault)
    nodes = shape.nodes
    return Scenario(
        name=name,
        description=shape.description,
        seed=shape.seed,
        target=target,
        project=project,
        users=shape.users,
        load=load,
        nodes=ExpectedNodes(nodes.expect, nodes.expect if nodes.min is None else nodes.min, nodes.wait),
        fleet=shape.fleet,
        rack=SimulatedRack(
            shape.rack.ambient,
            shape.rack.spread,
            shape.rack.weak_supply,
            shape.rack.request_cpu,
            shape.rack.thermal_speed,
        ),
        thresholds=with_defaults(shape.thresholds, open_model=open_model),
        validity=_limits(shape.validity),
        sample_period_s=shape.sample_period,
        stop_timeout_s=shape.stop_timeout,
        tracing=None if shape.tracing is None else Tracing(shape.tracing.endpoint, shape.tracing.sample),
        require=tuple(shape.require),
    )


def _check_locustfile(file: Path) -> None:
    """Refuse what could not be sent to nodes, before anything is started. Raises InputError."""
    text = decode_input(file, read_input(file, 4 * MAX_LOCUSTFILE))
    if len(text) > MAX_LOCUSTFILE:
        raise InputError(f"has {len(text)} characters, where nodes take {MAX_LOCUSTFILE}", file=file)


def _limits(shape: ValidityShape) -> ValidityLimits:
    given = shape.model_dump(exclude_none=True)
    # A quantity's field has its unit at the end, which its key has not.
    units = {
        field.name.rpartition("_")[0] if field.type == "float" else field.name: field.name
        for field in fields(ValidityLimits)
    }
    return ValidityLimits(**{units[key]: value for key, value in given.items()})
