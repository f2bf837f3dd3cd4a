"""Importing a locustfile, and checks of its classes, shapes, listeners and options."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from locust import LoadTestShape, User

from master.project.checks.finding import Finding, refused
from master.scenario import LocustProject
from worker.load.locustfile.catalogue import import_project
from worker.load.locustfile.options import OptionsError, own_variables, parse_options
from worker.wire.work import ArgumentValue

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
            self.paths.add(os.path.abspath(os.fsdecode(arguments[0])))  # noqa: PTH100  # a relative one may mean another later


_opened = _Opened()


def import_observed(project: LocustProject) -> Imported:
    """Import the locustfiles, and note what it brings along. Whatever it raises is passed on."""
    before = set(sys.modules)
    _opened.begin()
    try:
        if project.whole:
            os.chdir(project.root)  # for good: so it is with workers
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


def check_imported(imported: Imported, arguments: Mapping[str, ArgumentValue] = MappingProxyType({})) -> list[Finding]:
    """Shapes that are not followed, listeners of what never fires, and options that can't be given."""
    return _check_options(imported, arguments)


def _check_options(imported: Imported, arguments: Mapping[str, ArgumentValue]) -> list[Finding]:
    try:
        parse_options(own_variables(os.environ), arguments)
    except OptionsError as error:
        remedy = "The scenario gives them values: `arguments: {name: value}`."
        return [refused(f"its own options: {error}", remedy, imported.file)]
    return []


def place_of_listener(listener: Callable[..., Any], file: Path) -> tuple[Path, int | None]:
    """File and line of a function; only the locustfile where they are unknown."""
    while hasattr(listener, "__wrapped__") or hasattr(listener, "func"):
        listener = getattr(listener, "__wrapped__", None) or listener.func  # type: ignore[attr-defined]
    code = getattr(listener, "__code__", None)
    return (file, None) if code is None else (Path(code.co_filename), code.co_firstlineno)
