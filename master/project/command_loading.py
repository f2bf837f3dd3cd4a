"""From the options of a command line, as Locust has them, to what a run needs: with a scenario file, or in its place."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from master.errors import InputError
from master.project.command_checks import HELP, check_command, stop_timeout_s
from master.project.process.command_line import CommandLine, CommandOrders
from master.project.process.command_reading import find_locustfiles
from master.project.process.facts import ProjectFacts
from master.project.process.project_process import ProjectProcess
from master.project.process.waiting_process import WaitingProcess
from master.project.scenario_loading import LoadedScenario, Project, check_loaded, with_shape
from master.scenario import LocustProject, Overrides, load_scenario
from master.scenario.from_options import DEFAULT_RUN_TIME_S, RunOptions, document_of
from master.scenario.project_keys import project_at
from master.scenario.units import format_duration
from worker.load.locustfile.options import OptionsError


@dataclass(frozen=True)
class OpenedProject:
    """A project that is imported for a run without a scenario file. To be closed, or made a LoadedScenario."""

    project: LocustProject
    process: ProjectProcess
    facts: ProjectFacts

    @property
    def command(self) -> CommandLine:
        """What the command line says."""
        return self.facts.command

    def close(self) -> None:
        """End the project's process."""
        self.process.close()


def open_project(
    named: Sequence[str],
    words: Sequence[str],
    *,
    real_nodes: bool = False,
    only_help: bool = False,
    waiting: WaitingProcess | None = None,
) -> OpenedProject:
    """Import the locustfiles that are `named` (none: those that Locust's variables, files or default name). Raises InputError.

    A process that is `waiting` does it, if there is one.
    """
    files = [file.strip() for name in named for file in name.split(",")]
    if not files:
        try:
            files, place = find_locustfiles(words, os.environ)
        except OptionsError as error:
            raise InputError(str(error), hint=HELP) from None
        if not any(Path(file).exists() for file in files):
            missing = f"there is no {', '.join(files)} here"
            raise InputError(
                f"{place}: {missing}" if place else f"neither a scenario nor a locustfile is named, and {missing}",
                hint="piswarm run SCENARIO, or piswarm run -f LOCUSTFILE",
            )
    project = project_at(files, Path.cwd())
    process = ProjectProcess(
        project,
        real_nodes=real_nodes,
        command=CommandOrders(list(words), configured=True, only_help=only_help),
        waiting=waiting,
    )
    try:
        return OpenedProject(project, process, process.inspect())
    except BaseException:
        process.close()
        raise


def load_opened(
    opened: OpenedProject, given: Overrides, options: Collection[str], *, real_nodes: bool
) -> LoadedScenario:
    """The scenario that the command line amounts to. `given` is what options of piswarm's say, whose names are `options`.

    Raises InputError; then the project is still to be closed.
    """
    line, facts, file = opened.command, opened.facts, opened.project.locustfiles[0]
    warnings = check_command(line, options)
    run_time_s = line.run_time_s if given.duration_s is None else given.duration_s
    users = line.users if given.users is None else given.users
    follows_shape = bool(facts.shapes) and given.rate_per_s is None
    if follows_shape:
        ignored = {"--users": users, "--spawn-rate": line.spawn_rate}
        warnings += [
            f"{name} is not used: the locustfile's load shape says how many users run"
            for name, value in ignored.items()
            if value is not None
        ]
    elif run_time_s is None:
        warnings.append(
            f"no run time is given: {format_duration(DEFAULT_RUN_TIME_S)} (Locust would go on without end). --run-time 5m says another"
        )
    if given.rate_per_s is not None:
        users = users if given.max_users is None else given.max_users
    elif given.max_users is not None:
        raise InputError("--max-users is for a rate of arrivals, and no --rate is given", hint="Give --users.")
    run = RunOptions(
        locustfiles=opened.project.locustfiles,
        users=1 if users is None else users,
        spawn_rate=line.spawn_rate or 1.0,
        run_time_s=run_time_s,
        follows_shape=follows_shape,
        rate_per_s=given.rate_per_s,
        target=given.target or line.host,
        tags=line.tags,
        exclude_tags=line.exclude_tags,
        arguments=line.arguments,
        user_classes=line.user_classes,
        stop_timeout_s=stop_timeout_s(line),
        nodes=1 if given.nodes is None else given.nodes,
        places={**({} if line.spawn_rate else {"--spawn-rate": "its default"}), **line.places},
    )
    scenario = load_scenario(
        document_of(run, facts.shares),
        facts.by_name,
        Overrides(require=given.require),
        facts.hosts,
        facts.unfit_users,
        own_shares=facts.shares,
    )
    scenario = with_shape(file, scenario, facts)
    warnings += check_loaded(file, file, scenario, facts, real_nodes=real_nodes)
    return LoadedScenario(
        scenario, warnings, facts.variables, facts.mentions, Project(opened.process, facts), command=line
    )
