"""What the domains' storage needs of a database, whichever it is."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

Row = tuple[Any, ...]


class DatabaseError(Exception):
    """A database can't be used, at the start or just now; says why, and what to do. `option` is the setting that names it."""

    def __init__(self, message: str, option: str = "--database") -> None:
        super().__init__(message)
        self.option = option


class Statements(Protocol):
    """What statements are carried out by: a database, or a transaction of one."""

    async def fetch_one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""

    async def fetch_all(self, sql: str, *values: Any) -> list[Row]:
        """All rows."""

    async def execute(self, sql: str, *values: Any) -> int:
        """Carry out a statement; the number of rows that it changed."""


class Database(Statements, Protocol):
    """One SQL for all: `?` stands for a value, and the types of columns are SERIAL_KEY, INTEGER, REAL, TEXT and BLOB.

    A serial key numbers the rows from 1. What a call has returned from is committed; how well that is kept is the
    setting `durability`.
    """

    def transaction(self) -> AbstractAsyncContextManager[Statements]:
        """All or nothing of what is done by what it gives. Nothing but its methods may be awaited inside."""

    async def create(self, schema: str) -> None:
        """Carry out the statements of a schema, which leave alone what is there (IF NOT EXISTS)."""

    async def close(self) -> None:
        """Give it back."""
