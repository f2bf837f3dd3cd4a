"""What the target keeps, what it lets go of, and what it finds again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from master.target.database.database import DatabaseError
from master.target.database.sqlite import Durability, SqliteDatabase
from master.target.sessions.messages import NewSession, State
from master.target.sessions.storage import SessionLimits, SessionStorage

WANTED = NewSession(resolution=(800, 600))
LIMITS = SessionLimits(sessions=128, chunks=64, chunk_bytes=64_000)
T = TypeVar("T")


def on_sessions(path: Path, work: Callable[[SqliteDatabase, SessionStorage], Awaitable[T]]) -> T:
    """What `work` returns, on the database at `path`."""

    async def run() -> T:
        database = SqliteDatabase(path)
        storage = SessionStorage(database, LIMITS)
        await storage.create()
        try:
            return await work(database, storage)
        finally:
            await database.close()

    return asyncio.run(run())


def test_sessions_are_bounded_and_counted_by_state(tmp_path: Path) -> None:
    async def work(database: SqliteDatabase, storage: SessionStorage) -> None:
        for number in range(1000):
            session = await storage.add(f"s{number}", "user0001", WANTED, now=float(number))
            if number % 2:
                serial, _ = await storage.find(session.id)
                assert await storage.move(serial, State.CREATED, State.CLOSED)
                assert not await storage.move(serial, State.CREATED, State.CLOSED)
        assert await storage.find("s0") is None
        assert (await storage.find("s999"))[1].state is State.CLOSED
        counted = dict.fromkeys(("created", "recording", "closed"), 0)
        counted |= dict(await database.fetch_all("SELECT state, COUNT(*) FROM sessions GROUP BY state"))
        assert storage.by_state == counted
        assert 100 < sum(counted.values()) <= 128

    on_sessions(tmp_path / "target.db", work)


def test_chunks_are_bounded_by_bytes(tmp_path: Path) -> None:
    async def work(database: SqliteDatabase, storage: SessionStorage) -> None:
        await storage.add("s", "user0001", WANTED, now=0.0)
        for number in range(300):
            serial, session = await storage.find("s")
            stored = await storage.add_chunk(serial, session.state, State.RECORDING, 4000, lambda _n: b"x" * 2000)
            assert stored == (number, 2000)
        totals = storage.chunk_totals()
        assert (totals.total, totals.raw_bytes, totals.stored_bytes) == (300, 1_200_000, 600_000)
        assert await database.fetch_one("SELECT COUNT(*), SUM(LENGTH(sealed)) FROM chunks") == (
            totals.kept,
            totals.kept_bytes,
        )
        assert totals.kept_bytes <= 64_000
        assert await storage.chunk(serial, 0) is None
        assert await storage.chunk(serial, 299) == (4000, b"x" * 2000)

    on_sessions(tmp_path / "target.db", work)


def test_a_chunk_for_a_session_that_has_moved_on_is_not_stored(tmp_path: Path) -> None:
    async def work(database: SqliteDatabase, storage: SessionStorage) -> None:
        await storage.add("s", "user0001", WANTED, now=0.0)
        serial, _ = await storage.find("s")
        assert await storage.add_chunk(serial, State.RECORDING, State.RECORDING, 1, lambda _n: b"x") is None
        assert (await storage.find("s"))[1].chunks == 0
        assert await database.fetch_all("SELECT * FROM chunks") == []

    on_sessions(tmp_path / "target.db", work)


def test_what_fails_in_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    async def work(_database: SqliteDatabase, storage: SessionStorage) -> None:
        await storage.add("s", "user0001", WANTED, now=0.0)
        serial, session = await storage.find("s")

        def breaks(_sequence: int) -> bytes:
            raise OSError("no cipher")

        with pytest.raises(OSError, match="no cipher"):
            await storage.add_chunk(serial, session.state, State.RECORDING, 1, breaks)
        assert (await storage.find("s"))[1] == session
        assert await storage.add_chunk(serial, session.state, State.RECORDING, 1, lambda _n: b"x") == (0, 1)

    on_sessions(tmp_path / "target.db", work)


def test_sessions_are_listed_newest_first_and_in_pages(tmp_path: Path) -> None:
    async def work(_database: SqliteDatabase, storage: SessionStorage) -> None:
        for number in range(7):
            await storage.add(f"s{number}", "user0001" if number != 3 else "user0002", WANTED, now=0.0)
        first = await storage.of_owner("user0001", None, 4)
        rest = await storage.of_owner("user0001", first[-1][0], 4)
        assert [session.id for _, session in first + rest] == ["s6", "s5", "s4", "s2", "s1", "s0"]

    on_sessions(tmp_path / "target.db", work)


def test_totals_count_what_is_no_longer_kept_also_after_a_restart(tmp_path: Path) -> None:
    async def fill(_database: SqliteDatabase, storage: SessionStorage) -> object:
        for number in range(200):
            await storage.add(f"s{number}", "user0001", WANTED, now=0.0)
            serial, session = await storage.find(f"s{number}")
            await storage.add_chunk(serial, session.state, State.RECORDING, 10, lambda _n: b"xyz")
        return storage.chunk_totals(), storage.by_state

    async def look(_database: SqliteDatabase, storage: SessionStorage) -> object:
        return storage.chunk_totals(), storage.by_state

    before = on_sessions(tmp_path / "target.db", fill)
    assert before[0].total == 200
    assert on_sessions(tmp_path / "target.db", look) == before


@pytest.mark.parametrize(("durability", "synchronous"), [(Durability.PROCESS, 0), (Durability.POWER, 2)])
def test_a_commit_waits_for_the_disk_only_where_it_is_asked_to(
    tmp_path: Path, durability: Durability, synchronous: int
) -> None:
    """SQLite's 0 is OFF, no syncs at all, not even at a checkpoint; 2 is FULL."""

    async def run() -> None:
        database = SqliteDatabase(tmp_path / "target.db", durability)
        assert await database.fetch_one("PRAGMA synchronous") == (synchronous,)
        assert await database.fetch_one("PRAGMA journal_mode") == ("wal",)
        await database.close()

    asyncio.run(run())


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """They hold the signing key and password hashes."""

    def modes(database: SqliteDatabase, _storage: object) -> Awaitable[int]:
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
        return database.execute("SELECT 1")

    on_sessions(tmp_path / "target.db", modes)


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
    on_sessions(path, lambda database, _storage: database.execute("PRAGMA user_version = 1"))
    with pytest.raises(DatabaseError, match="another version"):
        SqliteDatabase(path)
