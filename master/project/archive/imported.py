"""What locustfiles without a `project` need beside them: modules and packages that they import, and files and folders that they name.

It is read from their sources, and from those of what they import. What only a run would know is not found: a name that is put
together, say. Where that matters, `project` names the whole folder.
"""

from __future__ import annotations

import ast
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from master.project.checks.source_checks import Source, imports_of
from master.scenario import LocustProject

_MAX_TEXT = 200
_MAX_SOURCES = 2000
_IMPORTERS = ("import_module", "__import__")


def imported_files(project: LocustProject) -> list[Path]:
    """The locustfiles, and the files and folders of the project that they need; of what lies in such a folder, all."""
    folders = list(dict.fromkeys([project.root, *(file.parent for file in project.locustfiles)]))
    todo = list(project.locustfiles)
    found = dict.fromkeys(todo)
    read: set[Path] = set()
    while todo and len(read) < _MAX_SOURCES:
        file = todo.pop()
        source = None if file in read else Source.read(file)
        read.add(file)
        if source is None:
            continue
        for path in [*_modules(source, folders), *_named(source, [*folders, file.parent])]:
            if path not in found and path.is_relative_to(project.root) and path not in [project.root, *folders]:
                found[path] = None
                todo += sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.suffix == ".py" else []
    return list(found)


def sources_of(project: LocustProject) -> list[Path]:
    """The Python sources among them."""
    found = imported_files(project)
    inside = [file for path in found if path.is_dir() for file in sorted(path.rglob("*.py"))]
    return list(dict.fromkeys([*(path for path in found if path.suffix == ".py" and path.is_file()), *inside]))


def _modules(source: Source, folders: list[Path]) -> Iterator[Path]:
    """The module or package of each import that lies in one of the `folders`."""
    modules = [module for module, _, _ in imports_of(source)]
    modules += [
        node.args[0].value
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith(_IMPORTERS)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]
    for package in {module.partition(".")[0] for module in modules}:
        for folder in folders:
            if (folder / f"{package}.py").is_file():
                yield folder / f"{package}.py"
            elif package.isidentifier() and _is_package(folder / package):
                yield folder / package


def _is_package(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*.py"))


def _named(source: Source, folders: list[Path]) -> Iterator[Path]:
    """The files and folders that its strings name."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < _MAX_TEXT:
            text = node.value
            if text.startswith("/") or not text.isprintable():
                continue
            for folder in folders:
                path = Path(os.path.normpath(folder / text))
                with contextlib.suppress(OSError):  # a name too long
                    if path.is_file() or path.is_dir():  # what else there is, such as a pipe, might be waited for
                        yield path
