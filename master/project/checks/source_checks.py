"""Checks of the source of a locustfile, or of a module that it imports. Pure."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from master.project.checks.finding import Finding, refused, warned
from master.project.checks.names import compared_class, is_main, last_name

_ENVIRONMENTS = frozenset({"environment", "env"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Source:
    """A module of the operator's: where it is, and what it says."""

    file: Path
    tree: ast.Module

    @classmethod
    def read(cls, file: Path) -> Source | None:
        """The module in `file`; None when it can't be read as Python's source, which its import has reported already."""
        try:
            return cls(file, ast.parse(file.read_bytes()))
        except (OSError, SyntaxError, ValueError):
            return None


def check_source(source: Source) -> list[Finding]:
    """Everything that can be read in it, by line."""
    main = [node for node in source.tree.body if isinstance(node, ast.If) and is_main(node.test)]
    unreachable = {id(node) for statement in main for node in ast.walk(statement)}
    found = []
    for function, node in _nodes(source.tree, None):
        if id(node) in unreachable:
            continue
        for rule in _RULES:
            finding = rule(node, function, source.file)
            if finding is not None:
                found.append(finding)
    return sorted(found, key=lambda finding: finding.line or 0)


def variables_read(source: Source) -> dict[str, int]:
    """The environment variables that it reads by name, each with the first line that does."""
    found: dict[str, int] = {}
    for node in ast.walk(source.tree):
        match node:
            case ast.Subscript(value=of, slice=ast.Constant(value=str(name))) if last_name(of) == "environ":
                found.setdefault(name, node.lineno)
            case ast.Call(func=ast.Attribute(value=of, attr="get"), args=[ast.Constant(value=str(name)), *_]) if (
                last_name(of) == "environ"
            ):
                found.setdefault(name, node.lineno)
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if last_name(func) == "getenv":
                found.setdefault(name, node.lineno)
    return found


def files_named(source: Source, folders: Collection[Path]) -> dict[Path, int]:
    """The files that its strings name, relative to one of the `folders`, each with the first line that does."""
    found: dict[Path, int] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 200:
            for file in (folder / node.value for folder in folders if not node.value.startswith("/")):
                if "\0" not in node.value and file.is_file():
                    found.setdefault(file.resolve(), node.lineno)
    return found


def imports_of(source: Source) -> Iterator[tuple[str, Sequence[str], int]]:
    """Each absolute import: the module, the names that are taken from it (none for `import x`), and the line."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, (), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module, [alias.name for alias in node.names], node.lineno


def _nodes(node: ast.AST, function: ast.AST | None) -> Iterator[tuple[ast.AST | None, ast.AST]]:
    """Every node with the function that it stands in."""
    for child in ast.iter_child_nodes(node):
        yield function, child
        yield from _nodes(child, child if isinstance(child, _FUNCTIONS) else function)


def _statistics(node: ast.AST, function: ast.AST | None, file: Path) -> Finding | None:
    del function
    match node:
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self")) as of, attr="stats", ctx=ast.Load()) if (
            last_name(of) in _ENVIRONMENTS
        ):
            return warned(
                "self.environment.stats of a user is always empty: what was measured is with the controller",
                "Listeners on the master side (test_stop, quitting) have the figures of the whole run.",
                file,
                node.lineno,
            )
    return None


def _starts(node: ast.AST, function: ast.AST | None, file: Path) -> Finding | None:
    del function
    match node:
        case ast.Call(func=ast.Attribute(value=of, attr="start" | "start_shape" | "spawn_users" as call)) if (
            last_name(of) == "runner"
        ):
            return refused(
                f"runner.{call}(): how many users run is the scenario's `load` to say",
                "Take it out.",
                file,
                node.lineno,
            )
    return None


def _exact_class(node: ast.AST, function: ast.AST | None, file: Path) -> Finding | None:
    del function
    if isinstance(node, ast.Compare) and (name := compared_class(node)) in {"WorkerRunner", "MasterRunner"}:
        return refused(
            f"the runner is compared with {name} itself, and is of a class below it here",
            f"Use isinstance(…, {name}).",
            file,
            node.lineno,
        )
    return None


def _arguments(node: ast.AST, function: ast.AST | None, file: Path) -> Finding | None:
    del function
    if isinstance(node, ast.Attribute) and node.attr == "argv" and last_name(node.value) == "sys":
        return warned(
            "sys.argv is no command line of Locust's here", "Use environment.parsed_options.", file, node.lineno
        )
    return None


_Rule = Callable[[ast.AST, ast.AST | None, Path], Finding | None]
_RULES: tuple[_Rule, ...] = (_statistics, _starts, _exact_class, _arguments)
