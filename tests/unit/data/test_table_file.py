"""Files of rows: read by row number from where the rows stand, and refused with the line where they can't be used."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.data.table_file import FileChangedError, TableFile
from master.data.tables import open_tables
from master.errors import InputError
from master.scenario import Scenario, load_scenario
from worker.load.rows.content import by_column, parse_rows
from worker.wire.rows import MAX_ROW_BYTES, Use


def written(folder: Path, content: bytes | str, name: str = "accounts.csv") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def rows_of(table: TableFile, *spans: tuple[int, int]) -> list[dict[str, object]]:
    facts = table.describe(Use.UNIQUE)
    return [by_column(values, facts) for values in parse_rows(table.read(spans), facts)]


cells = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12
) | st.sampled_from(["", '"', ",", "a\nb", "a\r\nb", " x ", "ü", "'"])


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=12),
    bom=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    last_end=st.booleans(),
)
def test_any_csv_gives_back_each_row_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], bom: bool, end: str, last_end: bool
) -> None:
    """Whatever is in the cells, with a byte order mark or without, each row is read back by its number alone."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("user", "word"), *rows])
    content = text.getvalue() if last_end else text.getvalue().removesuffix(end)
    file = written(tmp_path_factory.mktemp("data"), (b"\xef\xbb\xbf" if bom else b"") + content.encode())
    with closing(TableFile(file)) as table:
        assert (table.rows, table.columns) == (len(rows), ["user", "word"])
        for number, (user, word) in enumerate(rows):
            assert rows_of(table, (number, number + 1)) == [{"user": user, "word": word}]
        assert rows_of(table, (0, 2 * len(rows))) == 2 * [{"user": user, "word": word} for user, word in rows]


json_values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(json_values, json_values), min_size=1, max_size=8), bom=st.booleans())
def test_json_lines_give_back_each_row_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, object]], bom: bool
) -> None:
    """Values keep the types that JSON has; empty lines are no rows."""
    lines = "\n\n".join(json.dumps({"id": one, "more": two}) for one, two in rows)
    file = written(tmp_path_factory.mktemp("data"), (b"\xef\xbb\xbf" if bom else b"") + lines.encode(), "a.jsonl")
    with closing(TableFile(file)) as table:
        found = [rows_of(table, (number, number + 1))[0] for number in range(table.rows)]
    assert found == [{"id": one, "more": two} for one, two in rows]


def test_blank_lines_of_csv_are_no_rows(tmp_path: Path) -> None:
    with closing(TableFile(written(tmp_path, "\n\nuser,word\n\na,1\n\n\nb,2\n\n"))) as table:
        assert rows_of(table, (1, 2), (0, 1)) == [{"user": "b", "word": "2"}, {"user": "a", "word": "1"}]


def test_rows_fit_into_a_budget_of_bytes_and_go_on_behind_the_last(tmp_path: Path) -> None:
    """How many rows fit is told by their bytes; a span is looked at up to the last row, behind which the first one comes."""
    with closing(TableFile(written(tmp_path, "n\naa\nb\nccc\n"))) as table:
        assert table.fit(0, 9, 3) == (1, 3)
        assert table.fit(0, 9, 5) == (2, 5)
        assert table.fit(0, 2, 100) == (2, 5)
        assert table.fit(1, 9, 100) == (3, 6)
        assert table.fit(4, 9, 2) == (5, 2)
        assert table.fit(0, 9, 2) == (0, 0)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n\n", "is empty"),
        ("a.csv", b"user,word\n", "has no rows"),
        ("a.csv", b"user,word\na,b\nc\nd,e,f\n", "2 row(s) can't be used\n  line 3: has 1 value(s)"),
        ("a.csv", b'user,word\na,b\n"c,d\ne,f\n', ":3: a quote that is opened here is not closed"),
        ("a.csv", b'user,word\na,"b"c\n', ":2: is no CSV"),
        ("a.csv", b"user,word\na,gr\xfcn\n", ":2: is not UTF-8 text"),
        ("a.csv", "user,word\na,b\n".encode("utf-16"), ":1: is not UTF-8 text"),
        ("a.csv", b"user,user\na,b\n", ":1: the header names the column 'user' twice"),
        ("a.csv", b"user,\na,b\n", ":1: the header has no name for column 2"),
        ("a.csv", b"user;word\na;b\n", "separate columns by commas"),
        ("a.csv", b"1,2\n3,4\n", "has no header"),
        ("a.csv", b"user\n" + b"x" * (MAX_ROW_BYTES + 9), ":2: a row takes more than 65536 bytes"),
        ("a.csv", b'user\n"' + b"xx\n" * MAX_ROW_BYTES, "a row takes more than"),
        ("a.jsonl", b"", "has no rows"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "line 2: is no JSON"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "line 2: is no object"),
        ("a.jsonl", b'{"a": 1, "b": 2}\n{"a": 1}\n{"a": 1, "b": 2, "c": 3}\n', "line 2: has no 'b'"),
        ("a.jsonl", b"{}\n", "line 1: is an object without names"),
        ("a.jsonl", b"[" * 50_000 + b"\n", "line 1: is no JSON"),
    ],
)
def test_a_file_whose_rows_can_not_be_used_is_refused_with_the_place(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    """What is wrong is told with its line, and nothing of what is in the rows."""
    with pytest.raises(InputError) as caught:
        TableFile(written(tmp_path, content, name))
    assert says in str(caught.value), str(caught.value)


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Fail where a test leaves files open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.usefixtures("descriptors")
def test_a_refused_file_is_closed(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        TableFile(written(tmp_path, "a\n"))


def test_a_pipe_is_no_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(InputError, match="is not a file"):
        TableFile(tmp_path / "a.csv")


def test_a_file_that_changes_in_mid_run_is_not_read_any_more(tmp_path: Path) -> None:
    """Rows are at other places then, and nobody knows which were used."""
    file = written(tmp_path, "n\n1\n2\n")
    with closing(TableFile(file)) as table:
        with file.open("a") as more:
            more.write("3\n")
        with pytest.raises(FileChangedError, match="was changed in mid-run"):
            table.read([(0, 1)])


BASE = "target: embedded\nusers: {ApiUser: 1}\nload: [{users: 10, spawn_rate: 5, hold: 1m}]\n"


def scenario(folder: Path, data: str) -> Scenario:
    file = written(folder, f"{BASE}data: {data}\n", "case.yml")
    return load_scenario(file, ["ApiUser"])


def test_data_of_a_scenario_survives_writing_and_reading(tmp_path: Path) -> None:
    """Each use, and each end, is read as it was written."""
    written(tmp_path, "n\n1\n")
    read = scenario(
        tmp_path,
        "{a: {file: accounts.csv, use: unique, at_end: stop_class}, b: {file: accounts.csv, use: cycle},"
        " c: {file: accounts.csv, use: random}, d: {file: accounts.csv, use: unique}}",
    )
    assert [(source.file, str(source.use), str(source.at_end)) for source in read.data.values()] == [
        (tmp_path / "accounts.csv", "unique", "stop_class"),
        (tmp_path / "accounts.csv", "cycle", "stop_user"),
        (tmp_path / "accounts.csv", "random", "stop_user"),
        (tmp_path / "accounts.csv", "unique", "stop_user"),
    ]
    again = written(tmp_path, read.to_yaml(), "again.yml")
    assert load_scenario(again, ["ApiUser"]) == read


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("{a: {file: acounts.csv, use: unique}}", "data.a.file: 'acounts.csv': no such file"),
        ("{a: {file: ., use: unique}}", "data.a.file: '.' is no file"),
        ("{a: {file: accounts.csv}}", "data.a.use: required, but not given"),
        ("{a: {file: accounts.csv, use: uniqe}}", "did you mean 'unique'?"),
        ("{a: {file: accounts.csv, use: circular}}", "did you mean 'cycle'?"),
        ("{a: {file: accounts.csv, use: unique, at_end: user}}", "did you mean 'stop_user'?"),
        ("{a: {file: accounts.csv, use: cycle, at_end: stop_run}}", "rows with use cycle have no end"),
        ("{a: {file: accounts.csv, usage: unique}}", "unknown key; did you mean 'use'?"),
        ("{'a b': {file: accounts.csv, use: unique}}", "'a b' is no name of a table"),
        ("accounts.csv", "data: must be a mapping"),
    ],
)
def test_data_that_can_not_be_meant_is_refused_with_advice(tmp_path: Path, data: str, says: str) -> None:
    """Unknown words and keys, and files that are not there, are faults of the scenario file."""
    written(tmp_path, "n\n1\n")
    with pytest.raises(InputError) as caught:
        scenario(tmp_path, data)
    assert says in str(caught.value), str(caught.value)


def test_the_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """Each file that can't be used is named."""
    written(tmp_path, "a\n", "one.csv")
    written(tmp_path, "", "two.csv")
    with pytest.raises(InputError) as caught:
        open_tables(scenario(tmp_path, "{a: {file: one.csv, use: cycle}, b: {file: two.csv, use: cycle}}"))
    assert "one.csv: has no rows" in str(caught.value)
    assert "two.csv: is empty" in str(caught.value)
