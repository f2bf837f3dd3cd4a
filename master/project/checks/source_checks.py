"""Checks of the source of a locustfile, or of a module that it imports. Pure."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from master.project.checks.finding import Finding, refused, warned
from master.project.checks.unreachable_code import compared_class, is_main, last_name, unreachable_blocks

UNSUPPORTED_EVENTS = {
    "worker_report": "nothing of a locustfile's runs on the controller",
}
"""Events that never fire, and what a listener gathers with them is lost."""
NEVER_FIRED_EVENTS = {
    "worker_connect": "run.db has when each node came",
    "heartbeat_sent": "a node's agent answers for it",
}
"""Events that never fire, and nothing is lost by it but the listener's own words."""
_HARMLESS_CALLS = frozenset({"print", "debug", "info", "warning", "error", "exception", "critical", "log"})
_ENVIRONMENTS = frozenset({"environment", "env"})
_BRANCHES = (ast.If, ast.IfExp, ast.While, ast.Assert, ast.Compare)
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


def event_finding(event: str, file: Path | None, line: int | None) -> Finding | None:
    """Finding on a listener of `event`; None where the event fires as with Locust."""
    what = f"the event {event} never fires here"
    if event in UNSUPPORTED_EVENTS:
        return refused(f"{what}: {UNSUPPORTED_EVENTS[event]}", "Take the listener out.", file, line)
    if event in NEVER_FIRED_EVENTS:
        return warned(f"{what}: {NEVER_FIRED_EVENTS[event]}", "Its listener is not used.", file, line)
    return None


def check_source(source: Source) -> list[Finding]:
    """Everything that can be read in it, by line."""
    main = [node for node in source.tree.body if isinstance(node, ast.If) and is_main(node.test)]
    dead = [block for block in unreachable_blocks(source.tree.body) if not _has_no_effect(block)]
    skipped = [*main, *(statement for block in dead for statement in block)]
    unreachable = {id(node) for statement in skipped for node in ast.walk(statement)}
    found = [_dead(block, source.file) for block in dead]
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


def _has_no_effect(block: Sequence[ast.stmt]) -> bool:
    """Whether the block has no effect: only `pass`, `return` and the like, or text."""
    return all(
        isinstance(statement, ast.Pass | ast.Return | ast.Continue | ast.Break)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in block
    )


def _dead(block: Sequence[ast.stmt], file: Path) -> Finding:
    first, last = block[0].lineno, block[-1].end_lineno
    lines = "" if first == last else f"to line {last}: "
    what = (
        f"{lines}what is to be done on Locust's master, or alone, is done nowhere here, for all that runs are workers"
    )
    only_words = all(
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and last_name(statement.value.func) in _HARMLESS_CALLS
        for statement in block
    )
    if only_words:
        return warned(what, "It is not used.", file, block[0].lineno)
    return refused(what, "Do it before and after `piswarm run`, and take it out.", file, block[0].lineno)


def _listener(node: ast.AST, function: ast.AST | None, file: Path) -> Finding | None:
    del function
    match node:
        case ast.Attribute(value=ast.Attribute(attr=event), attr="add_listener"):
            return event_finding(event, file, node.lineno)
    return None


def _message(node: ast.AST, function: ast.AST | None, file: Path) -> Finding | None:
    del function
    match node:
        case ast.Call(func=ast.Attribute(value=of, attr="register_message" | "send_message" as call)) if (
            "runner" in last_name(of).lower()
        ):
            return refused(
                f"runner.{call}(): messages between workers and a master's code are not carried",
                "Have each user take its data by itself: `environment.runner.worker_index` tells workers apart.",
                file,
                node.lineno,
            )
    return None


def _exit_code(node: ast.AST, function: ast.AST | None, file: Path) -> Finding | None:
    del function
    match node:
        case ast.Attribute(attr="process_exit_code", ctx=ast.Store()):
            return refused(
                "environment.process_exit_code is not used: the verdict is the exit status",
                "Say as `thresholds` of the scenario what must hold, and take it out.",
                file,
                node.lineno,
            )
    return None


def _statistics(node: ast.AST, function: ast.AST | None, file: Path) -> Finding | None:
    match node:
        case ast.Attribute(value=of, attr="stats", ctx=ast.Load()) if last_name(of) in {*_ENVIRONMENTS, "runner"}:
            what = f"{last_name(of)}.stats is always empty: what was measured is with the controller"
            if function is not None and any(isinstance(inner, _BRANCHES) for inner in ast.walk(function)):
                remedy = "Say as `thresholds` what must hold (with `abort` what ends the run), and take it out."
                return refused(f"{what}, and something depends on it", remedy, file, node.lineno)
            return warned(what, "See result.json for the figures.", file, node.lineno)
    return None


def _ends(node: ast.AST, function: ast.AST | None, file: Path) -> Finding | None:
    del function
    match node:
        case ast.Call(func=ast.Attribute(value=of, attr="quit" | "stop" as call)) if last_name(of) == "runner":
            return warned(
                f"runner.{call}() ends the whole run before its time, as ABORTED",
                "`thresholds` with `abort` end it with a verdict.",
                file,
                node.lineno,
            )
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
    if isinstance(node, ast.Compare) and compared_class(node) == "WorkerRunner":
        return refused(
            "the runner is compared with WorkerRunner itself, and is of a class below it here",
            "Use isinstance(…, WorkerRunner).",
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
_RULES: tuple[_Rule, ...] = (_listener, _message, _exit_code, _statistics, _ends, _exact_class, _arguments)
