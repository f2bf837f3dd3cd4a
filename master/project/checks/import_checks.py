"""Importing a locustfile, and checks of its classes, shapes, listeners and options."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import locust
from locust import LoadTestShape, User

from master.project.checks.finding import Finding, refused, warned
from master.project.checks.source_checks import event_finding
from master.scenario import LocustProject
from worker.load.catalogue import import_project
from worker.load.locust_options import OptionsError, own_options, own_variables, parse_options
from worker.wire.messages import UserShare

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_OURS = ("master", "worker")


@dataclass(frozen=True)
class Imported:
    """A locustfile that was imported: its classes and shapes, modules of the operator's own, files that were read."""

    project: LocustProject
    classes: Mapping[str, type[User]]
    shapes: list[LoadTestShape]
    modules: Mapping[str, Path] = field(default_factory=dict)
    opened: frozenset[Path] = frozenset()

    @property
    def file(self) -> Path:
        """The first locustfile, which is named where no other place is known."""
        return self.project.locustfiles[0]


class _Opened:
    """Notes which files the process opens while it is `on`. Python has no way to take an audit hook out again."""

    def __init__(self) -> None:
        self.on = False
        self.paths: set[str] = set()
        self._hooked = False

    def begin(self) -> None:
        if not self._hooked:
            sys.addaudithook(self._note)
            self._hooked = True
        self.paths.clear()
        self.on = True

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            self.paths.add(os.fsdecode(arguments[0]))


_opened = _Opened()


def import_observed(project: LocustProject) -> Imported:
    """Import the locustfiles, and note what it brings along. Whatever it raises is passed on."""
    before = set(sys.modules)
    _opened.begin()
    try:
        classes, shapes = import_project(str(project.root), tuple(project.relative))
    finally:
        _opened.on = False
    modules = {
        name: Path(path).resolve()
        for name, module in list(sys.modules.items())
        if name not in before and (path := getattr(module, "__file__", None)) and _is_operators(name, path)
    }
    folders = {project.root, Path.cwd()}
    opened = {
        Path(path).resolve() for path in _opened.paths if not path.endswith((".py", ".pyc")) and _is_operators("", path)
    }
    beside = {path for path in opened if path.is_file() and any(path.is_relative_to(folder) for folder in folders)}
    own = {name: path for name, path in modules.items() if path not in project.locustfiles}
    return Imported(project, classes, list(shapes.values()), own, frozenset(beside))


def _is_operators(name: str, path: str) -> bool:
    return name.partition(".")[0] not in _OURS and not os.path.realpath(path).startswith(_LIBRARIES)


def check_imported(imported: Imported) -> list[Finding]:
    """Shapes that are not followed, listeners of what never fires, and options that can't be given."""
    found = []
    for shape in imported.shapes:
        file, line = _place(type(shape).tick, imported.file)
        found.append(
            refused(
                f"the load shape {type(shape).__name__} is not followed: the scenario's `load` says how many users run",
                "Say the same as stages of `load`, and take the class out.",
                file,
                line,
            )
        )
    for event, hook in vars(locust.events).items():
        for listener in hook._handlers:  # noqa: SLF001  # Locust has no public way
            finding = event_finding(event, *_place(listener, imported.file))
            if finding is not None:
                found.append(finding)
    return found + _check_options(imported)


def _check_options(imported: Imported) -> list[Finding]:
    try:
        own = own_options()
        parse_options(own_variables(os.environ))
    except OptionsError as error:
        return [refused(f"its own options: {error}", "Give them a default, or an env_var that is set.", imported.file)]
    if not own:
        return []
    shown = ", ".join(f"{option.name} ({option.variable})" if option.variable else option.name for option in own)
    remedy = "Each has its default, or the value of the environment variable that it names."
    listener = locust.events.init_command_line_parser._handlers[0]  # noqa: SLF001
    return [
        warned(f"own options can't be given on this command line: {shown}", remedy, *_place(listener, imported.file))
    ]


def check_users(imported: Imported, users: Mapping[str, UserShare], target: str) -> list[Finding]:
    """Hosts and weights of the user classes that differ from those of the scenario.

    To be asked before the classes are given their shares of the load.
    """
    classes = {name: imported.classes[name] for name in users}
    return [*_check_hosts(imported.file, classes, target), *_check_weights(imported.file, classes, users)]


def hosts_of(classes: Mapping[str, type[User]]) -> dict[str, str]:
    """The hosts of classes that have one."""
    return {name: str(user_class.host) for name, user_class in classes.items() if user_class.host}


def _check_hosts(file: Path, classes: Mapping[str, type[User]], target: str) -> list[Finding]:
    hosts = hosts_of(classes)
    shown = ", ".join(f"{name} {host}" for name, host in hosts.items())
    if len({host.rstrip("/") for host in hosts.values()}) > 1:
        remedy = "Run a scenario for each host, or have users make requests by full URLs, and take the hosts out."
        return [refused(f"several hosts ({shown}), where all load goes to one target: {target}", remedy, file)]
    if any(host.rstrip("/") != target.rstrip("/") for host in hosts.values()):
        return [warned(f"the classes' host is not used ({shown})", f"All load goes to {target}.", file)]
    return []


def _check_weights(file: Path, classes: Mapping[str, type[User]], users: Mapping[str, UserShare]) -> list[Finding]:
    own = {name: (one.fixed_count, 0 if one.fixed_count else one.weight) for name, one in classes.items()}
    given = {name: (share.fixed_count, share.weight) for name, share in users.items()}
    if all(share == (0, 1) for share in own.values()) or _ratios(own) == _ratios(given):
        return []
    shown = ", ".join(f"{name} {f'= {fixed}' if fixed else f'{weight:g}'}" for name, (fixed, weight) in own.items())
    remedy = "The scenario's `users` say how many users are of each."
    return [warned(f"weights and fixed counts of the classes are not used ({shown})", remedy, file)]


def _ratios(shares: Mapping[str, tuple[int, float]]) -> dict[str, tuple[int, float]]:
    whole = sum(weight for _, weight in shares.values()) or 1
    return {name: (fixed, round(weight / whole, 9)) for name, (fixed, weight) in shares.items()}


def _place(listener: Callable[..., Any], file: Path) -> tuple[Path, int | None]:
    """File and line of a function; only the locustfile where they are unknown."""
    while hasattr(listener, "__wrapped__") or hasattr(listener, "func"):
        listener = getattr(listener, "__wrapped__", None) or listener.func  # type: ignore[attr-defined]
    code = getattr(listener, "__code__", None)
    return (file, None) if code is None else (Path(code.co_filename), code.co_firstlineno)
