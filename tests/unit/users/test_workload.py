"""What a user of an SQL database does, against a database in memory."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from worker.users.database import workload


class Plain:
    """A workload.Connection that measures nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.names: list[str] = []

    def execute(self, name: str, sql: str, *values: Any, check: Callable[[workload.Rows], bool] | None = None) -> Any:
        self.names.append(name)
        rows = self.connection.execute(sql, values).fetchall()
        if check is not None and not check(rows):
            raise workload.WrongRowsError(name)
        return rows

    def in_transaction(self, work: Callable[[], None]) -> None:
        self.execute("begin", "BEGIN")
        work()
        self.execute("commit", "COMMIT")


@pytest.fixture
def database() -> Iterator[Plain]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in workload.CREATE:
        connection.execute(statement)
    connection.executemany(workload.FILL, workload.filling())
    yield Plain(connection)
    connection.close()


@pytest.mark.parametrize("step", [workload.look_up, workload.query, workload.move])
def test_each_step_accepts_what_is_in_the_table(database: Plain, step: workload.Step) -> None:
    random = Random(1)
    for _ in range(200):
        step(database, random)


def test_transactions_leave_the_sum_of_all_bytes_as_it_was(database: Plain) -> None:
    random = Random(2)
    for _ in range(500):
        workload.move(database, random)
    assert database.execute("sum", workload.SUM) == [(workload.ROWS, workload.ROWS * workload.BYTES_EACH)]
    changed = database.execute(
        "changed", "SELECT count(*) FROM piswarm_sessions WHERE raw_bytes <> ?", workload.BYTES_EACH
    )
    assert changed[0][0] > 500


def test_filling_a_table_again_changes_nothing(database: Plain) -> None:
    workload.move(database, Random(3))
    before = database.execute("all", "SELECT * FROM piswarm_sessions")
    database.connection.executemany(workload.FILL, workload.filling())
    assert database.execute("all", "SELECT * FROM piswarm_sessions") == before


@pytest.mark.parametrize(
    ("damage", "step"),
    [
        ("UPDATE piswarm_sessions SET owner = 'another'", workload.look_up),
        ("DELETE FROM piswarm_sessions", workload.look_up),
        ("DELETE FROM piswarm_sessions WHERE id % 7 = 0", workload.query),
        ("DELETE FROM piswarm_sessions", workload.move),
    ],
)
def test_wrong_rows_are_refused(database: Plain, damage: str, step: workload.Step) -> None:
    database.connection.execute(damage)
    random = Random(4)

    def do_it_often() -> None:
        for _ in range(100):
            step(database, random)

    with pytest.raises(workload.WrongRowsError):
        do_it_often()


def test_half_of_the_steps_look_up_and_a_fifth_are_transactions() -> None:
    random = Random(5)
    drawn = Counter(workload.draw(random) for _ in range(10_000))
    assert set(drawn) == {workload.look_up, workload.query, workload.move}
    assert 4700 < drawn[workload.look_up] < 5300
    assert 1800 < drawn[workload.move] < 2200


@pytest.mark.parametrize("sql", [workload.LOOKUP, workload.QUERY, workload.MOVE])
def test_every_statement_of_the_load_finds_its_rows_by_an_index(database: Plain, sql: str) -> None:
    """Every statement of the load finds its rows by an index, and none reads a whole table."""
    plan = database.connection.execute(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?")).fetchall()
    assert all("SEARCH" in line[3] for line in plan)
