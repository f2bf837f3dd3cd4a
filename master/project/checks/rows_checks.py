"""Tables of data rows that a locustfile names, so far as its source says, against those of the scenario. Pure but for reading sources."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from master.project.checks.finding import Finding, refused, warned
from master.project.checks.source_checks import Source
from master.scenario.suggest import did_you_mean

_MODULE, _CALL = "worker.data", "rows"


class NamedTable(msgspec.Struct, frozen=True):
    """A table that a source names by `rows("…")`, and where. Its name is None where the source does not say it by a literal."""

    name: str | None
    file: Path
    line: int


def named_tables(sources: Sequence[Source]) -> list[NamedTable]:
    """All that are named."""
    return [NamedTable(name, source.file, line) for source in sources for name, line in _named_in(source.tree)]


def _named_in(tree: ast.Module) -> Iterator[tuple[str | None, int]]:
    calls, modules = set[str](), {f"{_MODULE}.{_CALL}"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == _MODULE:
            calls |= {alias.asname or alias.name for alias in node.names if alias.name == _CALL}
        elif isinstance(node, ast.ImportFrom) and node.module == "worker":
            modules |= {f"{alias.asname or alias.name}.{_CALL}" for alias in node.names if alias.name == "data"}
        elif isinstance(node, ast.Import):
            modules |= {f"{alias.asname}.{_CALL}" for alias in node.names if alias.name == _MODULE and alias.asname}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name() | ast.Attribute() as func, args=[ast.Constant(value=str(name))]) if (
                ast.unparse(func) in calls | modules
            ):
                yield name, node.lineno
            case ast.Call(func=ast.Name() | ast.Attribute() as func) if ast.unparse(func) in calls | modules:
                yield None, node.lineno


def check_tables(named: Sequence[NamedTable], known: Collection[str]) -> list[Finding]:
    """Tables that the scenario's data does not have: users that want a row of them would raise."""
    listed = f"There are: {', '.join(known)}." if known else "Add `data` to the scenario."
    return [
        refused(
            f"rows({table.name!r:.120}): the scenario's data has no such table",
            f"{did_you_mean(table.name, known).replace('; did', 'Did')} {listed}".strip(),
            table.file,
            table.line,
        )
        for table in named
        if table.name is not None and table.name not in known
    ]


def check_unnamed(named: Sequence[NamedTable], known: Collection[str]) -> list[Finding]:
    """Tables of the scenario's data that the sources name nowhere, where these say all names by literals: no user takes their rows."""
    if any(table.name is None for table in named):
        return []
    taken = {table.name for table in named}
    return [
        warned(
            f"data.{name}: the locustfile does not name this table", f'Users take its rows by rows("{name}").take().'
        )
        for name in known
        if name not in taken
    ]
