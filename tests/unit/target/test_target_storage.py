"""The file of the target's database: how it is kept, and that no other file is touched."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from master.target.database.database import DatabaseError
from master.target.database.sqlite import Durability, SqliteDatabase


def on_database(database: SqliteDatabase, work: Callable[[SqliteDatabase], Awaitable[None]]) -> None:
    """Do the work, and close the database."""

    async def run() -> None:
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(run())


def test_what_fails_in_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    """A transaction whose block raises is rolled back, and the next one works."""

    async def work(database: SqliteDatabase) -> None:
        await database.create("CREATE TABLE IF NOT EXISTS rows (serial SERIAL_KEY, x INTEGER)")

        async def fail() -> None:
            async with database.transaction() as transaction:
                await transaction.execute("INSERT INTO rows (x) VALUES (1)")
                raise OSError("no cipher")

        with pytest.raises(OSError, match="no cipher"):
            await fail()
        async with database.transaction() as transaction:
            await transaction.execute("INSERT INTO rows (x) VALUES (2)")
        assert await database.fetch_all("SELECT * FROM rows") == [(1, 2)]

    on_database(SqliteDatabase(tmp_path / "target.db"), work)


@pytest.mark.parametrize(("durability", "synchronous"), [(Durability.PROCESS, 0), (Durability.POWER, 2)])
def test_a_commit_waits_for_the_disk_only_where_it_is_asked_to(
    tmp_path: Path, durability: Durability, synchronous: int
) -> None:
    """SQLite's 0 is OFF, no syncs at all, not even at a checkpoint; 2 is FULL."""

    async def work(database: SqliteDatabase) -> None:
        assert await database.fetch_one("PRAGMA synchronous") == (synchronous,)
        assert await database.fetch_one("PRAGMA journal_mode") == ("wal",)

    on_database(SqliteDatabase(tmp_path / "target.db", durability), work)


def test_a_full_disk_is_told_and_leaves_the_database_usable(tmp_path: Path) -> None:
    """In a transaction and outside of one; what was stored before is there, and once there is room, all goes on."""

    async def run() -> None:
        database = SqliteDatabase(tmp_path / "target.db")
        await database.create("CREATE TABLE IF NOT EXISTS blobs (serial SERIAL_KEY, content BLOB NOT NULL)")
        add, content = "INSERT INTO blobs (content) VALUES (?)", bytes(100_000)
        await database.execute(add, content)
        await database.fetch_one("PRAGMA max_page_count = 40")
        with pytest.raises(DatabaseError, match="full"):
            await database.execute(add, content)

        async def add_in_transaction() -> None:
            async with database.transaction() as transaction:
                await transaction.execute("DELETE FROM blobs WHERE serial = ?", 7)
                await transaction.execute(add, content)

        with pytest.raises(DatabaseError, match="full"):
            await add_in_transaction()
        assert await database.fetch_one("SELECT COUNT(*) FROM blobs") == (1,)
        await database.fetch_one("PRAGMA max_page_count = 1000")
        await add_in_transaction()
        assert await database.fetch_one("SELECT COUNT(*) FROM blobs") == (2,)
        await database.close()

    asyncio.run(run())


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """They hold the signing key and password hashes."""

    def files() -> list[Path]:
        return list(tmp_path.iterdir())

    async def modes(database: SqliteDatabase) -> None:
        await database.create("CREATE TABLE IF NOT EXISTS secrets (x INTEGER)")
        assert {file.suffix: file.stat().st_mode & 0o777 for file in files()} == dict.fromkeys(
            (".db", ".db-wal", ".db-shm"), 0o600
        )

    on_database(SqliteDatabase(tmp_path / "target.db"), modes)


@pytest.mark.parametrize("kind", ["text", "database"])
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "precious.db"
    if kind == "text":
        path.write_text("precious " * 1000)
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE precious (x)")
        connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="precious"):
        SqliteDatabase(path)
    assert path.read_bytes() == before


def test_the_database_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "target.db"

    async def work(database: SqliteDatabase) -> None:
        await database.execute("PRAGMA user_version = 1")

    on_database(SqliteDatabase(path), work)
    with pytest.raises(DatabaseError, match="another version"):
        SqliteDatabase(path)


def test_a_database_is_one_targets_at_a_time(tmp_path: Path) -> None:
    """Another is told so; whoever reads is let in, and the next target once this one has ended."""
    file = tmp_path / "target.db"

    async def work() -> None:
        first = SqliteDatabase(file)
        await first.create("CREATE TABLE IF NOT EXISTS things (one INTEGER NOT NULL)")
        with pytest.raises(DatabaseError, match="another target uses it"):
            SqliteDatabase(file)
        with closing(sqlite3.connect(file)) as reader:
            assert reader.execute("SELECT * FROM things").fetchall() == []
        await first.execute("INSERT INTO things (one) VALUES (1)")
        await first.close()
        following = SqliteDatabase(file)
        assert await following.fetch_all("SELECT one FROM things") == [(1,)]
        await following.close()

    asyncio.run(work())
