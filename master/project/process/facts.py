"""What a Locust project has in it, as its process says it, once it has imported it. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from master.project.checks.finding import Finding
from master.project.checks.rows_checks import NamedTable
from master.project.process.command_line import CommandLine
from master.scenario import UnfitUsers
from master.services.payment.rules import Mention
from worker.wire.work import UserShare


class ClassFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One user class."""

    name: str
    weight: float
    fixed_count: int
    host: str | None = None
    has_tasks: bool = True
    has_own_loop: bool = False
    """Whether its `run` is its own, and so waits for no arrival."""
    makes_spans: bool = False
    """Whether it derives from worker.http.HttpUser, whose requests can be traced."""
    needs_target_password: bool = False
    missing_driver: str = ""
    """What it needs of a database's drivers that is not installed on this machine."""
    task_tags: frozenset[frozenset[str]] = frozenset()
    """The sets of tags that its tasks have, in whatever depth of task sets; an empty one where a task has none."""


class ShapeFacts(msgspec.Struct, frozen=True):
    """One LoadTestShape, and where its `tick` stands."""

    name: str
    file: Path
    line: int | None = None


class ProjectFacts(msgspec.Struct, frozen=True):
    """Everything that is known of a project without running it."""

    classes: list[ClassFacts]
    shapes: list[ShapeFacts] = []
    findings: list[Finding] = []
    """What of Locust it uses that is refused or warned of, whatever the scenario says."""
    variables: dict[str, str] = {}
    """Environment variables that are set here and give its own options their values."""
    modules: dict[str, Path] = {}
    """Modules of the operator's that its import has imported, by name."""
    opened: frozenset[Path] = frozenset()
    """Files of the operator's that its import has read."""
    mentions: list[Mention] = []
    """The hosts that it names."""
    tables: list[NamedTable] = []
    """The tables of data rows that it names."""
    listens: frozenset[str] = frozenset()
    """Events that have a listener after the import."""
    command: CommandLine = CommandLine()
    """What a command line says, where the process was asked."""

    @property
    def by_name(self) -> Mapping[str, ClassFacts]:
        """The user classes by name."""
        return {each.name: each for each in self.classes}

    @property
    def shares(self) -> dict[str, UserShare]:
        """The classes' own weights and fixed counts."""
        return {
            each.name: UserShare(0 if each.fixed_count else max(0, each.weight), max(0, each.fixed_count))
            for each in self.classes
        }

    @property
    def hosts(self) -> dict[str, str]:
        """The hosts of classes that have one."""
        return {each.name: each.host for each in self.classes if each.host}

    @property
    def unfit_users(self) -> UnfitUsers:
        """The classes that have no task, and those with a loop of their own."""
        return UnfitUsers(
            without_tasks={each.name for each in self.classes if not each.has_tasks},
            with_own_loop={each.name for each in self.classes if each.has_own_loop},
        )
