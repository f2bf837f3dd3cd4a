"""What hosts a locustfile names, so far as its source and its classes show: URLs that stand in it, or are put together of what does.

`mentions_in` is pure. Text that only explains (docstrings) names nothing; what comes from elsewhere while the load is on is not seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from locust import User

from master.project.checks.import_checks import Imported
from master.project.checks.names import last_name
from master.project.checks.source_checks import Source, imports_of
from master.services.payment.named_hosts import hosts_in
from master.services.payment.rules import Mention

_MAX_DEPTH = 50
"""Of an expression that is put together."""
_OURS = ("master", "worker")
_UNKNOWN = "\0"
"""In place of a part of a text that only a run would know."""
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{2,199}")


def find_mentions(imported: Imported) -> list[Mention]:
    """All of a locustfile, of what it imports beside it, and of the hosts of its classes."""
    sources = sources_of(imported)
    found = [mention for source in sources for mention in mentions_in(source)]
    known = {*found}
    hosts = (mention for each in imported.classes.values() for mention in _of_host(each, sources, imported.file))
    return [*found, *(mention for mention in hosts if mention not in known)]


def sources_of(imported: Imported) -> list[Source]:
    """The locustfile, the modules that it has imported beside it, and those that it would only import later."""
    todo = [*imported.project.locustfiles, *sorted(set(imported.modules.values()))]
    found: dict[Path, Source] = {}
    while todo:
        file = todo.pop(0)
        source = None if file in found else Source.read(file)
        if source is not None:
            found[file] = source
            todo += _beside(source, {source.file.parent, imported.project.root, Path.cwd()})
    return list(found.values())


def _beside(source: Source, folders: set[Path]) -> Iterator[Path]:
    for module, names, _ in imports_of(source):
        if module.partition(".")[0] in _OURS:
            continue
        place = Path(*module.split("."))
        for folder in sorted({source.file.parent, *folders}):
            base = folder / place
            candidates = [base.with_suffix(".py"), base / "__init__.py", *(base / f"{name}.py" for name in names)]
            yield from (file.resolve() for file in candidates if file.is_file())


def mentions_in(source: Source) -> list[Mention]:
    """Every host and environment variable that the source names, by line."""
    constants = _constants(source.tree)
    explaining = {id(node.value) for node in ast.walk(source.tree) if isinstance(node, ast.Expr)}
    found: dict[Mention, None] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
            if isinstance(node, ast.Constant) and id(node) in explaining:
                continue
            for mention in _named(_fold(node, constants), source.file, node.lineno):
                found[mention] = None
    return sorted(found, key=lambda mention: mention.line or 0)


def _named(text: str, file: Path, line: int | None) -> Iterator[Mention]:
    if _VARIABLE.fullmatch(text):
        yield Mention(file, line, variable=text)
    for host, port in hosts_in(text):
        yield Mention(file, line, host, port)


def _constants(tree: ast.Module) -> dict[str, str]:
    """Names, of variables and of attributes, that are given one text or number only."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for name in filter(None, map(last_name, targets)):
            text = _fold(node.value, found)  # type: ignore[attr-defined]  # it is one of the two
            found[name] = text if found.get(name, text) == text else _UNKNOWN
    return found


def _fold(node: ast.expr, constants: Mapping[str, str], depth: int = 0) -> str:
    """The text of an expression, with _UNKNOWN for what is not known."""
    if depth > _MAX_DEPTH:
        return _UNKNOWN
    match node:
        case ast.Constant(value=bytes(value)):
            text = value.decode("latin-1")
        case ast.Constant(value=str() | int() as value):
            text = str(value)
        case ast.JoinedStr(values=parts):
            text = "".join(_fold(part, constants, depth + 1) for part in parts)
        case ast.FormattedValue(value=value):
            text = _fold(value, constants, depth + 1)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            text = _fold(left, constants, depth + 1) + _fold(right, constants, depth + 1)
        case ast.Name() | ast.Attribute():
            text = constants.get(last_name(node), _UNKNOWN)
        case _:
            text = _UNKNOWN
    return text


def _of_host(user_class: type[User], sources: Sequence[Source], file: Path) -> Iterator[Mention]:
    """What the `host` of a class names, however it was come by, at the line that gives it, or at the class's."""
    if not isinstance(user_class.host, str):
        return
    line = None
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and node.name == user_class.__name__:
                given = [
                    part.lineno
                    for part in node.body
                    if isinstance(part, ast.Assign) and "host" in map(last_name, part.targets)
                ]
                file, line = source.file, (given or [node.lineno])[0]
    yield from _named(user_class.host, file, line)
