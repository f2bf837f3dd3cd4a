"""Which database a setting means."""

from __future__ import annotations

from pathlib import Path

from master.target.database.database import Database, DatabaseError
from master.target.database.sqlite import Durability, SqliteDatabase


async def open_database(where: str, durability: Durability) -> Database:
    """The database at `where`, a URL that begins with postgresql://, or a file. Raises DatabaseError if it can't be used."""
    scheme, separator, _ = where.partition("://")
    if not separator:
        return SqliteDatabase(Path(where), durability)
    if scheme not in {"postgresql", "postgres"}:
        raise DatabaseError(f"{scheme}:// is no database that the target knows; give a file, or a postgresql:// URL")
    from master.target.database.postgres import PostgresDatabase  # noqa: PLC0415  # takes 0.1 s

    database = PostgresDatabase(where)
    await database.open()
    return database
