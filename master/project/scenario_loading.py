"""From a scenario file, with the Locust project that it names, to what a run needs of both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from master.errors import InputError
from master.project.checks.all_checks import in_order, raise_refused
from master.project.checks.class_checks import check_hosts, check_tags, check_weights
from master.project.checks.finding import Finding, warned
from master.project.checks.rows_checks import check_tables, check_unnamed
from master.project.checks.task_checks import find_unfit_users
from master.project.command_checks import check_command, read_without_project, with_line
from master.project.process.command_line import CommandLine, CommandOrders
from master.project.process.facts import ProjectFacts
from master.project.process.project_process import ProjectProcess
from master.project.process.waiting_process import WaitingProcess
from master.scenario import Overrides, Scenario, draft_of, load_scenario, project_of
from master.services.payment.rules import Mention
from worker.http import HttpUser
from worker.load.locustfile.catalogue import user_classes
from worker.tracing.installed import MissingTracingError, check_installed
from worker.users.database.drivers import MissingDriverError, import_drivers


@dataclass(frozen=True)
class Project:
    """A Locust project that is imported: its process, and what is in it."""

    process: ProjectProcess
    facts: ProjectFacts


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario that can be run, warnings for the operator, and the values of the locustfile's own options. To be closed.

    `mentions` are the hosts that the locustfile names.
    """

    scenario: Scenario
    warnings: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    mentions: Sequence[Mention] = ()
    project: Project | None = None
    """None without a locustfile."""
    command: CommandLine = field(default_factory=CommandLine)
    """What the command line says by options as Locust has them."""

    def close(self) -> None:
        """End the project's process."""
        if self.project is not None:
            self.project.process.close()


def load_for_run(
    file: Path,
    overrides: Overrides,
    *,
    real_nodes: bool,
    words: Sequence[str] = (),
    options: Collection[str] = (),
    waiting: WaitingProcess | None = None,
) -> LoadedScenario:
    """The scenario in `file`, to be run on `real_nodes` or on simulated ones. Raises InputError, with all that is refused.

    `words` are those of the command line that Locust's parser is to read; `options` are the names of piswarm's own. A project is
    imported by the process that is `waiting`, if there is one.
    """
    draft = draft_of(file, overrides.target)
    project = draft.project
    if project is None:
        line = read_without_project(words) if words else CommandLine()
        warnings = check_command(line, options)
        overrides = with_line(overrides, line)
        known = user_classes()
        scenario = load_scenario(file, known, overrides, unfit_users=find_unfit_users(known))
        named = [known[name] for name in scenario.users]
        if not real_nodes:
            _check_drivers(named)
        _check_tracing(scenario, makes_spans=any(issubclass(each, HttpUser) for each in named), real_nodes=real_nodes)
        return LoadedScenario(scenario, [*warnings, *load_warnings(file, scenario)], command=line)
    process = ProjectProcess(
        project,
        real_nodes=real_nodes,
        arguments=draft.arguments,
        environment=draft.environment,
        command=CommandOrders(list(words), configured=False) if words else None,
        waiting=waiting,
    )
    try:
        facts = process.inspect()
        warnings = check_command(facts.command, options)
        overrides = with_line(overrides, facts.command)
        scenario = load_scenario(
            file, facts.by_name, overrides, facts.hosts, facts.unfit_users, own_shares=facts.shares
        )
        scenario = with_shape(file, scenario, facts)
        warnings += check_loaded(file, project.locustfiles[0], scenario, facts, real_nodes=real_nodes)
    except BaseException:
        process.close()
        raise
    return LoadedScenario(
        scenario, warnings, facts.variables, facts.mentions, Project(process, facts), command=facts.command
    )


def check_loaded(
    file: Path, locustfile: Path, scenario: Scenario, facts: ProjectFacts, *, real_nodes: bool
) -> list[str]:
    """Warnings of the scenario in `file`, which has this locustfile. Raises InputError, with all that is refused."""
    makes_spans = any(facts.by_name[name].makes_spans for name in scenario.users)
    _check_tracing(scenario, makes_spans=makes_spans, real_nodes=real_nodes)
    found = raise_refused(in_order([*facts.findings, *_check_users(locustfile, facts, scenario)]))
    return found + load_warnings(file, scenario)


def with_shape(file: Path, scenario: Scenario, facts: ProjectFacts) -> Scenario:
    """The scenario with the name of the LoadTestShape that it means. Raises InputError where there is none, or several."""
    if scenario.shape is None:
        return scenario
    names = [shape.name for shape in facts.shapes]
    shown = ", ".join(names) or "none"
    name = scenario.shape.name
    if name is None and len(names) != 1:
        hint = "Name one: `load: {shape: NAME}`." if names else "Give it one, or give `load` stages."
        raise InputError(f"load: a shape is to be followed, and the locustfile has {shown}", file=file, hint=hint)
    if name is not None and name not in names:
        raise InputError(f"load.shape: the locustfile has no LoadTestShape {name!r} (it has: {shown})", file=file)
    return replace(scenario, shape=replace(scenario.shape, name=name or names[0]))


def unused_shapes(facts: ProjectFacts) -> list[Finding]:
    """Shapes of a locustfile whose scenario has stages."""
    return [
        warned(
            f"the load shape {shape.name} is not followed: the scenario's `load` says how many users run",
            "Say `load: shape` for what the shape asks for.",
            shape.file,
            shape.line,
        )
        for shape in facts.shapes
    ]


def _check_users(file: Path, facts: ProjectFacts, scenario: Scenario) -> list[Finding]:
    own = {name: share for name, share in facts.shares.items() if name in scenario.users}
    hosts = {name: host for name, host in facts.hosts.items() if name in scenario.users}
    tags = {name: facts.by_name[name].task_tags for name in scenario.users}
    return [
        *(unused_shapes(facts) if scenario.shape is None else []),
        *([] if scenario.hosts else check_hosts(file, hosts, scenario.target)),
        *check_tables(facts.tables, scenario.data),
        *check_unnamed(facts.tables, scenario.data),
        *check_weights(file, own, scenario.users),
        *check_tags(file, tags, scenario.tags, scenario.exclude_tags),
    ]


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


def _check_tracing(scenario: Scenario, *, makes_spans: bool, real_nodes: bool) -> None:
    """Make sure that the spans that the scenario asks for can be had; real nodes say it themselves. Raises InputError."""
    if scenario.tracing is None:
        return
    if not makes_spans:
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
    draft = draft_of(file)
    process = ProjectProcess(project, real_nodes=False, arguments=draft.arguments, environment=draft.environment)
    try:
        facts = process.inspect()
        scenario = load_scenario(file, facts.by_name, hosts=facts.hosts)
    except BaseException:
        process.close()
        raise
    return LoadedScenario(scenario, mentions=facts.mentions, project=Project(process, facts))
