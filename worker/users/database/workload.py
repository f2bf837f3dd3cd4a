"""What a user of an SQL database does, for every driver: look one row up by its key, query by an index, move bytes in a transaction.

The table has always the same rows. Transactions move bytes from one row to another, so that their sum never changes: whoever
sums them up sees whether any transaction was lost, or done by half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol

ROWS = 10_000
OWNERS = 500
BYTES_EACH = 1_000_000
PAGE = ROWS // OWNERS
"""Rows of one owner, which a query finds."""

CREATE = (
    """CREATE TABLE IF NOT EXISTS piswarm_sessions
    (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, raw_bytes BIGINT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS piswarm_sessions_of_owner ON piswarm_sessions (owner, id)",
)
FILL = "INSERT INTO piswarm_sessions (id, owner, state, raw_bytes) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
LOOKUP = "SELECT owner, state, raw_bytes FROM piswarm_sessions WHERE id = ?"
QUERY = "SELECT id, raw_bytes FROM piswarm_sessions WHERE owner = ? ORDER BY id DESC LIMIT 20"
MOVE = "UPDATE piswarm_sessions SET raw_bytes = raw_bytes + ? WHERE id = ? RETURNING raw_bytes"
SUM = "SELECT count(*), sum(raw_bytes) FROM piswarm_sessions"

Rows = Sequence[Sequence[Any]]


class WrongRowsError(Exception):
    """The database has answered, and not with what is in it."""


class Connection(Protocol):
    """A connection whose statements are measured, each as a request of its own. What fails there raises."""

    def execute(self, name: str, sql: str, *values: Any, check: Callable[[Rows], bool] | None = None) -> Rows:
        """The rows that `sql` returns; `check` refuses wrong ones."""

    def in_transaction(self, work: Callable[[], None]) -> None:
        """Do `work` between BEGIN and COMMIT, measured as a whole too; rolled back when it raises."""


Step = Callable[[Connection, Random], None]


def owner_of(row: int) -> str:
    """The owner of the row with this id."""
    return f"user{row % OWNERS:04d}"


def filling() -> list[tuple[int, str, str, int]]:
    """The rows of the table, as they are at first."""
    return [(row, owner_of(row), "closed" if row % 3 else "recording", BYTES_EACH) for row in range(ROWS)]


def look_up(connection: Connection, random: Random) -> None:
    """One row by its primary key."""
    row = random.randrange(ROWS)
    connection.execute("lookup", LOOKUP, row, check=lambda rows: [owner for owner, _, _ in rows] == [owner_of(row)])


def query(connection: Connection, random: Random) -> None:
    """All rows of one owner, by an index and in order."""
    first = random.randrange(OWNERS)
    wanted = [first + OWNERS * step for step in range(PAGE)][::-1]
    connection.execute("query", QUERY, owner_of(first), check=lambda rows: [row for row, _ in rows] == wanted)


def move(connection: Connection, random: Random) -> None:
    """Move some bytes from one row to another; always the smaller id first, so that no two users wait for each other."""
    low, high = sorted(random.sample(range(ROWS), 2))
    amount = random.choice((-1, 1)) * random.randint(1, 1000)

    def both() -> None:
        connection.execute("update", MOVE, amount, low, check=_one_row)
        connection.execute("update", MOVE, -amount, high, check=_one_row)

    connection.in_transaction(both)


def draw(random: Random) -> Step:
    """The next step: mostly reads, a fifth of them transactions."""
    (step,) = random.choices((look_up, query, move), (5, 3, 2))
    return step


def _one_row(rows: Rows) -> bool:
    return len(rows) == 1
