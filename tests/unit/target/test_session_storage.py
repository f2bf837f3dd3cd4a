"""What the target keeps of sessions and chunks, what it lets go of, and what it finds again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from master.target.database.sqlite import SqliteDatabase
from master.target.sessions.chunk_storage import ChunkLimits, ChunkStorage
from master.target.sessions.chunks import PackedChunk
from master.target.sessions.keys import SessionKeys
from master.target.sessions.messages import NewSession
from master.target.sessions.states import SessionEvent, State
from master.target.sessions.storage import SessionStorage, StoredSession
from master.target.sessions.tallies import SessionTallies, Tally

WANTED = NewSession(resolution=(800, 600))
KEYS = SessionKeys(bytes(32))


def chunk(raw_bytes: int = 4000, compressed_bytes: int = 1972) -> PackedChunk:
    """One that takes 2000 bytes in the store."""
    return PackedChunk(b"x" * compressed_bytes, raw_bytes, bytes(32))


class Store:
    """Both tables on one database."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.tallies = SessionTallies()
        self.sessions = SessionStorage(database, self.tallies, max_sessions=128)
        self.chunks = ChunkStorage(database, self.tallies, ChunkLimits(chunks=64, chunk_bytes=64_000))

    async def add(self, session_id: str = "s", owner: str = "user0001") -> None:
        await self.sessions.add(session_id, owner, WANTED, None, 1.0)

    async def find(self, session_id: str = "s") -> StoredSession:
        found = await self.sessions.find(session_id)
        assert found is not None
        return found

    async def add_chunk(self, packed: PackedChunk, session_id: str = "s") -> int | None:
        return await self.chunks.add(await self.find(session_id), packed, KEYS.cipher(session_id))

    async def counted(self) -> Tally:
        """The sums of what is kept, by the tables themselves."""
        again = SessionTallies()
        await SessionStorage(self.database, again).open()
        return again.kept


def with_store(path: Path, work: Callable[[Store], Awaitable[None]]) -> None:
    """Open the store at `path` as a process that starts would, and work with it."""

    async def run() -> None:
        database = SqliteDatabase(path)
        try:
            store = Store(database)
            await store.sessions.open()
            await store.chunks.open()
            await work(store)
        finally:
            await database.close()

    asyncio.run(run())


def test_sessions_are_bounded_and_their_sums_are_not(tmp_path: Path) -> None:
    """The oldest sessions go; statistics over all that there have been stay exact, also over a restart."""

    async def fill(store: Store) -> None:
        for number in range(1000):
            await store.add(f"s{number}", f"user{number % 7}")
            if number % 2:
                await store.add_chunk(chunk(100, 10), f"s{number}")
            assert store.tallies.kept.sessions <= 128
        assert await store.sessions.find("s0") is None
        assert (await store.find("s999"))[1].state is State.RECORDING

    async def check(store: Store) -> None:
        kept, total = store.tallies.kept, store.tallies.all()
        assert kept == await store.counted()
        assert 100 < kept.sessions <= 128
        assert (total.sessions, total.chunks, total.raw_bytes, total.stored_bytes) == (1000, 500, 50_000, 500 * 38)
        for owner in range(7):
            page = await store.sessions.page(f"user{owner}", None, 100)
            assert store.tallies.of(f"user{owner}").sessions == len(page)

    async def both(store: Store) -> None:
        await fill(store)
        await check(store)

    with_store(tmp_path / "target.db", both)
    with_store(tmp_path / "target.db", check)


def test_chunks_are_bounded_by_their_bytes(tmp_path: Path) -> None:
    """The oldest chunks go; what is kept of them is counted right, also over a restart."""

    async def fill(store: Store) -> None:
        await store.add()
        for _ in range(300):
            await store.add_chunk(chunk())
        await check(store)

    async def check(store: Store) -> None:
        serial, session = await store.find()
        assert (session.chunks, session.raw_bytes, session.stored_bytes) == (300, 1_200_000, 600_000)
        kept = await store.database.fetch_one("SELECT COUNT(*), SUM(LENGTH(sealed)) FROM chunks")
        assert kept == (store.chunks.kept, store.chunks.kept_bytes)
        assert 50_000 < store.chunks.kept_bytes <= 64_000
        assert await store.chunks.find(serial, 0) is None
        assert (await store.chunks.find(serial, 299)).raw_bytes == 4000

    with_store(tmp_path / "target.db", fill)
    with_store(tmp_path / "target.db", check)


def test_chunks_are_bounded_by_their_number(tmp_path: Path) -> None:
    """Small chunks go, too, once there are too many; the newest one stays."""

    async def fill(store: Store) -> None:
        await store.add()
        for _ in range(300):
            await store.add_chunk(chunk(1, 1))
            assert store.chunks.kept <= 64
        serial, _ = await store.find()
        assert [found.sequence for found in await store.chunks.batch(serial, 297, 300, 9)] == [297, 298, 299]

    with_store(tmp_path / "target.db", fill)


def test_one_chunk_beyond_all_bounds_is_kept(tmp_path: Path) -> None:
    """What was just acknowledged is there, even if it alone is more than the bound."""

    async def fill(store: Store) -> None:
        await store.add()
        for _ in range(3):
            await store.add_chunk(chunk(100_000, 100_000))
            assert store.chunks.kept == 1

    with_store(tmp_path / "target.db", fill)


def test_a_change_decided_on_another_state_is_not_made(tmp_path: Path) -> None:
    """Of two that close a session, or store a chunk while it is closed, the later one changes nothing and counts nothing."""

    async def work(store: Store) -> None:
        await store.add()
        seen = await store.find()
        assert (await store.sessions.close(seen, 2.0)).state is State.PROCESSING
        assert await store.sessions.close(seen, 3.0) is None
        assert await store.chunks.add(seen, chunk(), KEYS.cipher("s")) is None
        assert await store.chunks.replace(seen, 0, chunk(), KEYS.cipher("s")) is False
        _, session = await store.find()
        assert (session.chunks, session.closed_at) == (0, 2.0)
        assert store.tallies.kept == await store.counted()
        assert store.chunks.kept == 0

    with_store(tmp_path / "target.db", work)


def test_sums_follow_every_step_of_a_session(tmp_path: Path) -> None:
    """After each step the sums in memory are those that the tables give."""

    async def work(store: Store) -> None:
        await store.add()
        sessions = store.sessions
        steps: list[Callable[[StoredSession], Awaitable[object]]] = [
            lambda stored: store.chunks.add(stored, chunk(), KEYS.cipher("s")),
            lambda stored: store.chunks.add(stored, chunk(), KEYS.cipher("s")),
            lambda stored: store.chunks.replace(stored, 1, chunk(8000, 100), KEYS.cipher("s")),
            lambda stored: sessions.close(stored, 2.0),
            lambda stored: sessions.fail(stored, "damaged", [0]),
            lambda stored: sessions.move(stored, SessionEvent.RETRY),
            lambda stored: sessions.verify(stored, "00", 12_000, 2128, 0.5),
            lambda stored: sessions.move(stored, SessionEvent.ANCHOR),
            lambda stored: sessions.fail(stored, "lost"),
            lambda stored: sessions.move(stored, SessionEvent.RETRY),
            lambda stored: sessions.verify(stored, "00", 12_000, 2128, 0.25),
            lambda stored: sessions.move(stored, SessionEvent.ANCHOR),
            lambda stored: sessions.finalize(stored, 7),
        ]
        for step in steps:
            await step(await store.find())
            assert store.tallies.kept == store.tallies.of("user0001") == await store.counted()
        total = store.tallies.all()
        assert (total.sessions, total.processed, total.processing_s) == (1, 1, 0.25)
        assert (total.chunks, total.raw_bytes, total.stored_bytes) == (2, 12_000, 2128)
        assert (await store.find())[1].anchor_height == 7

    with_store(tmp_path / "target.db", work)


def test_sessions_are_listed_newest_first_and_in_pages(tmp_path: Path) -> None:
    """A page begins below the serial number at which the one before ended, and shows the owner's alone."""

    async def work(store: Store) -> None:
        for number in range(7):
            await store.add(f"s{number}", "user0001" if number != 3 else "user0002")
        first = await store.sessions.page("user0001", None, 4)
        rest = await store.sessions.page("user0001", first[-1][0], 4)
        assert [session.id for _, session in first + rest] == ["s6", "s5", "s4", "s2", "s1", "s0"]

    with_store(tmp_path / "target.db", work)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM sessions WHERE id = 's'",
        "SELECT * FROM sessions WHERE owner = 'o' AND serial < 9 ORDER BY serial DESC LIMIT 9",
        "SELECT * FROM sessions WHERE state = 'processing' AND serial > 0 ORDER BY serial LIMIT 9",
        "SELECT * FROM sessions WHERE state = 'anchoring' AND serial > 0 ORDER BY serial LIMIT 9",
        "SELECT * FROM chunks WHERE session = 1 AND sequence >= 0 AND sequence < 9 ORDER BY sequence LIMIT 9",
        "SELECT serial, LENGTH(sealed) FROM chunks ORDER BY serial LIMIT 9",
    ],
)
def test_what_requests_ask_for_is_found_by_an_index(tmp_path: Path, query: str) -> None:
    """No query of a request, or of the background, reads a whole table or sorts."""

    async def work(store: Store) -> None:
        plan = [row[3] for row in await store.database.fetch_all(f"EXPLAIN QUERY PLAN {query}")]
        assert len(plan) == 1, plan
        assert "USING INDEX" in plan[0] or plan == ["SCAN chunks"]  # the order of the table itself

    with_store(tmp_path / "target.db", work)
