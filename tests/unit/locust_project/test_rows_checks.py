"""Tables of data rows that a locustfile names and the scenario has not are found before a run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from master.project.checks.rows_checks import NamedTable, check_tables, named_tables
from master.project.checks.source_checks import Source

FILE = Path("own.py")


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from worker.data import rows\nrows('a')\nrows('b').take()", ["a", "b"]),
        ("from worker.data import rows as table\ntable('a')\nrows('b')", ["a"]),
        ("import worker.data\nworker.data.rows('a').take()", ["a"]),
        ("from worker import data\ndata.rows('a')", ["a"]),
        ("import worker.data as data\ndata.rows('a')", ["a"]),
        ("from worker.data import rows\nname = 'a'\nrows(name)\nrows(f'{name}')\nrows()", []),
        ("def rows(name): ...\nrows('a')\nself.rows('b')\nrows('a')('b')", []),
    ],
)
def test_tables_that_are_named_by_a_literal_are_found(source: str, names: list[str]) -> None:
    """However `rows` was imported; another function of that name is none."""
    found = named_tables([Source(FILE, ast.parse(source))])
    assert [table.name for table in found] == names


def test_a_table_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    """The place, the nearest name and what there is are told."""
    named = [NamedTable("accounts", FILE, 3), NamedTable("acounts", FILE, 7)]
    (finding,) = check_tables(named, ["accounts", "words"])
    assert str(finding) == (
        "own.py:7: rows('acounts'): the scenario's data has no such table. Did you mean 'accounts'? "
        "There are: accounts, words."
    )
    assert "Add `data` to the scenario." in str(check_tables(named, [])[0])
