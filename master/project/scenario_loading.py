"""From a scenario file, with the locustfile that it names, to what a run needs of both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from master.errors import InputError
from master.project.checks.all_checks import check_locustfile, import_checked, raise_refused
from master.project.checks.import_checks import hosts_of
from master.project.checks.named_addresses import find_mentions
from master.project.checks.task_checks import find_unfit_users
from master.scenario import Overrides, Scenario, load_scenario, project_of
from master.services.payment import Mention
from worker.http import HttpUser
from worker.load.catalogue import user_classes
from worker.load.locust_options import own_variables
from worker.tracing.installed import MissingTracingError, check_installed
from worker.users.database.drivers import MissingDriverError, import_drivers


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario that can be run, warnings for the operator, and the values of the locustfile's own options.

    `mentions` are the hosts that the locustfile names.
    """

    scenario: Scenario
    warnings: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    mentions: Sequence[Mention] = ()


def load_for_run(file: Path, overrides: Overrides, *, real_nodes: bool) -> LoadedScenario:
    """The scenario in `file`, to be run on `real_nodes` or on simulated ones. Raises InputError, with all that is refused."""
    project = project_of(file, overrides.target)
    if project is None:
        known = user_classes()
        scenario = load_scenario(file, known, overrides, unfit_users=find_unfit_users(known))
        if not real_nodes:
            _check_drivers([known[name] for name in scenario.users])
        _check_tracing(scenario, known, real_nodes=real_nodes)
        return LoadedScenario(scenario, load_warnings(file, scenario))
    imported = import_checked(project)
    unfit = find_unfit_users(imported.classes)
    scenario = load_scenario(file, imported.classes, overrides, hosts_of(imported.classes), unfit)
    _check_tracing(scenario, imported.classes, real_nodes=real_nodes)
    warnings = raise_refused(check_locustfile(imported, scenario.users, scenario.target, real_nodes=real_nodes))
    warnings += load_warnings(file, scenario)
    return LoadedScenario(scenario, warnings, own_variables(os.environ), find_mentions(imported))


def load_warnings(file: Path, scenario: Scenario) -> list[str]:
    """What of the load is allowed, and hardly meant."""
    users, nodes = scenario.max_users, scenario.nodes.expect
    if not scenario.open_model or users >= nodes:
        return []
    idle = nodes - users
    without = f"{idle} of them {'has' if idle == 1 else 'have'} no user, and no arrivals"
    remedy = f"Give max_users of at least {nodes}, or expect fewer nodes"
    return [f"{file}: max_users is {users}, and {nodes} nodes are expected: {without}. {remedy}"]


def _check_drivers(classes: Sequence[type]) -> None:
    """Make sure that this machine, whose processes are the simulated nodes, has the drivers of databases. Raises InputError."""
    try:
        import_drivers(classes)
    except MissingDriverError as error:
        raise InputError(str(error), hint="Install it here, or name other users in the scenario.") from None


def _check_tracing(scenario: Scenario, classes: Mapping[str, type], *, real_nodes: bool) -> None:
    """Make sure that the spans that the scenario asks for can be had; real nodes say it themselves. Raises InputError."""
    if scenario.tracing is None:
        return
    if not any(issubclass(classes[name], HttpUser) for name in scenario.users):
        raise InputError(
            "tracing: none of the users makes its requests by worker.http.HttpUser, so there would be no span",
            hint="Derive them from it, or leave 'tracing' out.",
        )
    if not real_nodes:
        try:
            check_installed()
        except MissingTracingError as error:
            raise InputError(str(error), hint="Install it here, or leave 'tracing' out.") from None


def load_for_resume(file: Path) -> LoadedScenario:
    """The scenario of a run that was begun, and checked then. Raises InputError."""
    project = project_of(file)
    if project is None:
        return LoadedScenario(load_scenario(file, user_classes()))
    imported = import_checked(project)
    return LoadedScenario(load_scenario(file, imported.classes), mentions=find_mentions(imported))
