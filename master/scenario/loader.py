"""From a scenario file to a `Scenario`, or to one InputError that names every fault with its line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from master.scenario.error_messages import note_findings
from master.scenario.load_stages import LoadStage, ShapeLoad, find_mix_fault, most_users
from master.scenario.locust_keys import find_project_faults
from master.scenario.model import DataSource, ExpectedNodes, Scenario, SimulatedRack, SoakLimits, ValidityLimits
from master.scenario.overrides import Overrides, override
from master.scenario.part_faults import note_load_faults, note_rule_faults, read_shape_load
from master.scenario.project_keys import LocustProject, note_project_faults
from master.scenario.rules import with_defaults
from master.scenario.schema.scenario import (
    ScenarioContext,
    ScenarioShape,
    UnfitUsers,
    ValidityShape,
    check_name,
    check_target,
)
from master.scenario.windows import find_hold_fault, find_ramp_fault, find_rate_fault, find_window_fault
from master.yaml_file.document import Document, read_document
from worker.wire.rows import AtEnd
from worker.wire.work import Tracing, UserShare

_NO_OVERRIDES = Overrides()
_ALL_FIT = UnfitUsers()
_OF_FILES = ("project", "locustfile", "data", "arguments", "tags", "exclude_tags", "environment", "hooks")
"""Keys that name files, or are for the locustfile."""
_IN_PLACE_OF_STAGES = [{"users": 1, "spawn_rate": 1, "hold": "10s"}]
"""For the check of the rest of a file whose load is a shape's."""


def load_scenario(  # what is known of the user classes
    source: Path | Document,
    known_users: Collection[str],
    overrides: Overrides = _NO_OVERRIDES,
    hosts: Mapping[str, str] = MappingProxyType({}),
    unfit_users: UnfitUsers = _ALL_FIT,
    *,
    own_shares: Mapping[str, UserShare] = MappingProxyType({}),
) -> Scenario:
    """The scenario in a file, or in a document that is at hand, with `overrides` applied. `known_users` are the user classes there are.

    The `unfit_users` of them are refused. Without a target the load goes to the `hosts` of its user classes; without `users` it is of
    all that have `own_shares`. Raises InputError; all faults of the file are in one.
    """
    document = source if isinstance(source, Document) else read_document(source)
    context = ScenarioContext(document.file.parent, known_users, unfit_users)
    return override(_read(document, context, overrides.target, _ClassFacts(hosts, own_shares)), overrides)


def project_of(path: Path, target: str | None = None) -> LocustProject | None:
    """The Locust project that the scenario at `path` names, so that its user classes can be found before `load_scenario`.

    Raises InputError with all the file's faults, except those that need the user classes; `target` is that of the command line.
    """
    return draft_of(path, target).project


def draft_of(path: Path, target: str | None = None) -> Scenario:
    """The scenario at `path` as far as it says it without its user classes, to find these. Raises InputError as `project_of` does."""
    return _read(read_document(path), ScenarioContext(path.parent, None, _ALL_FIT), target, _ClassFacts())


def scenario_as_run(path: Path) -> Scenario:
    """The scenario of a run as far as its result is judged by it, without the files that it names: they may be elsewhere by then.

    Raises InputError as `project_of` does.
    """
    document = read_document(path)
    if isinstance(document.data, dict):
        document.data = {key: value for key, value in document.data.items() if key not in _OF_FILES}
    return _read(document, ScenarioContext(path.parent, None, _ALL_FIT), None, _ClassFacts())


@dataclass(frozen=True)
class _ClassFacts:
    """Hosts and shares of user classes, as they have them themselves."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, UserShare] = field(default_factory=dict)


def _read(document: Document, context: ScenarioContext, target: str | None, own: _ClassFacts) -> Scenario:
    scenario = None
    project = note_project_faults(document)
    shape_load = read_shape_load(document)
    models = {"closed"} if shape_load is not None else note_load_faults(document)
    context = replace(context, open_model="open" in models)
    given = document.data if isinstance(document.data, dict) else {}
    if not (given.get("locustfile") or given.get("project")):
        for key, fault in find_project_faults(given).items():
            document.fault((key,), fault)
    if len(models) == 1:
        note_rule_faults(document, open_model=context.open_model)
    try:
        content = document.data if shape_load is None else {**given, "load": _IN_PLACE_OF_STAGES}
        shape = ScenarioShape.model_validate(content, context=context)
        users = shape.users if shape.users is not None else _own_users(document, project, context, own.shares)
        target = shape.target or target
        hosts: dict[str, str] = {}
        if target is None and context.known_users is not None and users:
            target, hosts = _hosts(document, users, own.hosts)
        if len(models) == 1:
            scenario = _scenario(document, shape, project, users, open_model=context.open_model, shape_load=shape_load)
            scenario = replace(scenario, target=target or "", hosts=hosts)
    except ValidationError as findings:
        note_findings(document, findings)
        if target is None and not (given.get("target") or given.get("locustfile") or given.get("project")):
            _hosts(document, {}, {})
    document.raise_faults()
    assert scenario is not None  # a scenario, or a fault
    return scenario


def _own_users(
    document: Document, project: LocustProject | None, context: ScenarioContext, shares: Mapping[str, UserShare]
) -> dict[str, UserShare]:
    """The users of a scenario that names none: all classes of its locustfile, in their own shares."""
    if project is None or context.known_users is None:
        return {}
    users = {name: share for name, share in shares.items() if share.weight or share.fixed_count}
    if not users:
        document.fault(("users",), "not given, and the locustfile has no user class with a weight or fixed count")
    idle = [name for name in users if name in context.unfit_users.without_tasks]
    looping = [name for name in users if context.open_model and name in context.unfit_users.with_own_loop]
    if idle:
        document.fault(("users",), f"not given, and {', '.join(idle)} of the locustfile can make no request: no task")
    if looping:
        document.fault(
            ("users",),
            f"not given, and {', '.join(looping)} of the locustfile can start no arrival: a run() of its own",
        )
    return users


def _hosts(
    document: Document, users: Mapping[str, UserShare], hosts: Mapping[str, str]
) -> tuple[str | None, dict[str, str]]:
    """Where the load goes without a target: the one host of the user classes, or the first, and that of each class."""
    found = {name: hosts[name] for name in users if name in hosts}
    without = [name for name in users if name not in hosts]
    try:
        for host in found.values():
            check_target(host)
    except ValueError as error:
        document.fault(("target",), f"not given, and the host of the user classes {error}")
        return None, {}
    if not found:
        document.fault(("target",), "required, but not given: here, by --target, or as the host of the user classes")
    elif len({host.rstrip("/") for host in found.values()}) > 1:
        if without:
            document.fault(
                ("target",), f"not given, and {', '.join(without)} has no host, where other user classes have"
            )
        return next(iter(found.values())), found
    return next(iter(found.values()), None), {}


def _scenario(
    document: Document,
    shape: ScenarioShape,
    project: LocustProject | None,
    users: Mapping[str, UserShare],
    *,
    open_model: bool,
    shape_load: ShapeLoad | None,
) -> Scenario:
    name = shape.name or document.file.stem
    if shape.name is None:
        try:
            check_name(name)
        except ValueError as error:
            document.fault(("name",), f"not given, and the file's own {error}")
    load: tuple[LoadStage, ...] = tuple(stage.stage() for stage in shape.load)
    if shape_load is not None:
        load = shape_load.stages
        if project is None:
            document.fault(("load",), "a shape is a class of a locustfile, and the scenario names none")
    elif users and (fault := find_mix_fault(users, most_users(load), nodes=shape.nodes.expect, open_model=open_model)):
        document.fault(("users",), fault)
    if shape_load is None and (fault := find_ramp_fault(load) or find_hold_fault(load, shape.sample_period)):
        document.fault(("load",), fault)
    for index, rule in enumerate(shape.thresholds if shape_load is None else ()):
        if fault := find_window_fault(rule, load) or find_rate_fault(rule, load):
            document.fault(("thresholds", index), fault)
    nodes = shape.nodes
    return Scenario(
        name=name,
        description=shape.description,
        seed=shape.seed,
        target="",
        project=project,
        users=users,
        arguments=shape.arguments,
        tags=None if shape.tags is None else tuple(shape.tags),
        exclude_tags=None if shape.exclude_tags is None else tuple(shape.exclude_tags),
        environment=tuple(dict.fromkeys(shape.environment)),
        load=load,
        shape=shape_load,
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
        data={
            name: DataSource(table.file, table.use, table.at_end or AtEnd.STOP_USER)
            for name, table in shape.data.items()
        },
        tracing=None if shape.tracing is None else Tracing(shape.tracing.endpoint, shape.tracing.sample),
        soak=None if shape.soak is None else SoakLimits.of(shape.soak),
        require=tuple(shape.require),
        hooks=tuple(hook.hook() for hook in shape.hooks),
    )


def _limits(shape: ValidityShape) -> ValidityLimits:
    given = shape.model_dump(exclude_none=True)
    # A quantity's field has its unit at the end, which its key has not.
    units = {
        each.name.rpartition("_")[0] if each.type == "float" else each.name: each.name
        for each in fields(ValidityLimits)
    }
    return ValidityLimits(**{units[key]: value for key, value in given.items()})
