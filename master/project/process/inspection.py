"""Importing a project in its own process, and what there is to say about it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

import locust
from locust import User

from master.errors import InputError
from master.project.checks.all_checks import check_locustfile, import_checked
from master.project.checks.finding import Finding
from master.project.checks.import_checks import Imported, place_of_listener
from master.project.checks.named_addresses import find_mentions, sources_of
from master.project.checks.rows_checks import named_tables
from master.project.checks.task_checks import find_unfit_users
from master.project.process.command_line import CommandLine, CommandOrders
from master.project.process.command_reading import read_command_line
from master.project.process.facts import ClassFacts, ProjectFacts, ShapeFacts
from master.scenario import LocustProject
from worker.http import HttpUser
from worker.load.locustfile.options import OptionsError, own_variables
from worker.users.database.drivers import MissingDriverError, import_drivers
from worker.wire.work import ArgumentValue


def inspect(
    project: LocustProject,
    *,
    real_nodes: bool,
    arguments: Mapping[str, ArgumentValue] = MappingProxyType({}),
    environment: Collection[str] = (),
    command: CommandOrders | None = None,
) -> tuple[Imported, ProjectFacts]:
    """Import the project, whose own options get `arguments` and those of `command`; nodes get the variables of `environment`, too.

    Raises InputError.
    """
    imported = import_checked(project)
    try:
        line = CommandLine() if command is None else read_command_line(command, os.environ)
    except OptionsError as error:
        raise InputError(
            str(error), hint=f"piswarm run -f {project.locustfiles[0].name} --help shows options"
        ) from None
    findings = check_locustfile(
        imported,
        real_nodes=real_nodes,
        arguments={**arguments, **line.arguments},
        environment=environment,
        configured=command is not None and command.configured,
    )
    return imported, facts_of(imported, findings, line)


def facts_of(imported: Imported, findings: list[Finding], line: CommandLine) -> ProjectFacts:
    """What there is to say about a project that is imported, with the findings on it, and of the command line."""
    unfit = find_unfit_users(imported.classes)
    try:
        variables = own_variables(os.environ)
    except OptionsError:
        variables = {}  # which is a finding
    return ProjectFacts(
        classes=[
            _class_facts(
                name,
                user_class,
                has_tasks=name not in unfit.without_tasks,
                has_own_loop=name in unfit.with_own_loop,
            )
            for name, user_class in imported.classes.items()
        ],
        shapes=[
            ShapeFacts(type(shape).__name__, *place_of_listener(type(shape).tick, imported.file))
            for shape in imported.shapes
        ],
        findings=findings,
        command=line,
        variables=variables,
        modules=dict(imported.modules),
        opened=imported.opened,
        mentions=find_mentions(imported),
        tables=named_tables(sources_of(imported)),
        listens=frozenset(
            event
            for event, hook in vars(locust.events).items()
            if getattr(hook, "_handlers", None)  # Locust has no public way
        ),
    )


def _class_facts(name: str, user_class: type[User], *, has_tasks: bool, has_own_loop: bool) -> ClassFacts:
    try:
        import_drivers([user_class])
        missing_driver = ""
    except MissingDriverError as error:
        missing_driver = str(error)
    weight, fixed_count = user_class.weight, user_class.fixed_count
    if not _is_number(weight) or not _is_number(fixed_count):
        raise InputError(f"{name}: its weight is {weight!r}, its fixed_count {fixed_count!r}: they must be numbers")
    return ClassFacts(
        name=name,
        weight=weight,
        fixed_count=int(fixed_count),
        host=str(user_class.host) if user_class.host else None,
        has_tasks=has_tasks,
        has_own_loop=has_own_loop,
        makes_spans=issubclass(user_class, HttpUser),
        needs_target_password=bool(getattr(user_class, "needs_target_password", False)),
        missing_driver=missing_driver,
        task_tags=frozenset(_task_tags(user_class, ())),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e9


def _task_tags(holder: type, above: tuple[type, ...]) -> Iterator[frozenset[str]]:
    """Of each task the tags by which Locust's `filter_tasks_by_tags` judges it: a task set goes by those in it."""
    for task in getattr(holder, "tasks", []):
        if not hasattr(task, "tasks"):
            yield frozenset(map(str, getattr(task, "locust_tag_set", ())))
        elif task not in above:
            yield from _task_tags(task, (*above, task))
