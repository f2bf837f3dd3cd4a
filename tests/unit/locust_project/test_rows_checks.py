"""Tables of data rows that a locustfile names and the scenario has not are found before a run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from master.project.checks.rows_checks import NamedTable, check_tables, check_unnamed, named_tables
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
        ("from worker.data import rows\nname = 'a'\nrows(name)\nrows(f'{name}')\nrows()", [None, None, None]),
        ("def rows(name): ...\nrows('a')\nself.rows('b')\nrows('a')('b')", []),
    ],
)
def test_tables_that_are_named_by_a_literal_are_found(source: str, names: list[str | None]) -> None:
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


def test_a_table_that_no_source_names_is_warned_of() -> None:
    """Unless a name is put together while the users run."""
    named = [NamedTable("accounts", FILE, 3)]
    (finding,) = check_unnamed(named, ["accounts", "words"])
    assert str(finding) == (
        'data.words: the locustfile does not name this table. Users take its rows by rows("words").take().'
    )
    assert check_unnamed([*named, NamedTable(None, FILE, 4)], ["accounts", "words"]) == []
