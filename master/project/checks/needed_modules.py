"""The packages that a Locust project imports and does not bring itself, so that nodes must have them. Reads the sources alone."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from master.project.archive.imported import sources_of
from master.project.checks.names import is_main, last_name
from master.project.checks.source_checks import Source
from master.scenario import LocustProject

_OURS = ("master", "worker")
_CATCHES = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def needed_modules(project: LocustProject) -> dict[str, tuple[Path, int]]:
    """Top-level modules that every worker needs, each with the first place that imports it.

    One whose lack is caught, or that only a type checker needs, is none of them.
    """
    folders = [project.root, *(file.parent for file in project.locustfiles)]
    needed: dict[str, tuple[Path, int]] = {}
    for file in sources_of(project):
        source = Source.read(file)
        for name, line in () if source is None else _required(source.tree):
            if name not in sys.stdlib_module_names and name not in _OURS and not _is_own(name, folders):
                needed.setdefault(name, (file, line))
    return needed


def _is_own(name: str, folders: list[Path]) -> bool:
    return any((folder / f"{name}.py").is_file() or (folder / name).is_dir() for folder in folders)


def _required(node: ast.AST) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name.partition(".")[0], child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            if not child.level and child.module:
                yield child.module.partition(".")[0], child.lineno
        elif (isinstance(child, ast.Try) and any(map(_catches, child.handlers))) or (
            isinstance(child, ast.If) and (last_name(child.test) == "TYPE_CHECKING" or is_main(child.test))
        ):
            continue
        else:
            yield from _required(child)


def _catches(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or last_name(kind) in _CATCHES for kind in kinds)
