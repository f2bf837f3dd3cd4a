"""The bounds of what is kept of sessions, on a real PostgreSQL; with SQLite they are tested without a server."""

from __future__ import annotations

import asyncio

import pytest
from database_servers import Postgres

from master.target.database.database import Database
from master.target.database.opening import open_database
from master.target.database.sqlite import Durability
from master.target.sessions.chunk_storage import ChunkLimits, ChunkStorage
from master.target.sessions.chunks import PackedChunk
from master.target.sessions.keys import SessionKeys
from master.target.sessions.messages import NewSession
from master.target.sessions.states import State
from master.target.sessions.storage import SessionStorage
from master.target.sessions.tallies import SessionTallies, Tally

pytestmark = pytest.mark.session_lifecycle

CHUNK = PackedChunk(b"x" * 972, 4000, bytes(32))
CIPHER = SessionKeys(bytes(32)).cipher("s")
SESSIONS = 200


async def opened(database: Database) -> tuple[SessionTallies, SessionStorage, ChunkStorage]:
    tallies = SessionTallies()
    sessions = SessionStorage(database, tallies, max_sessions=64)
    chunks = ChunkStorage(database, tallies, ChunkLimits(chunks=100, chunk_bytes=64_000))
    await sessions.open()
    await chunks.open()
    return tallies, sessions, chunks


def test_the_oldest_go_and_sums_stay_exact_with_many_at_once(postgres: Postgres) -> None:
    """Sessions and chunks that are stored at the same time keep to their bounds, and no sum loses any of them."""

    async def live(number: int, sessions: SessionStorage, chunks: ChunkStorage) -> None:
        name = f"s{number}"
        await sessions.add(name, f"user{number % 5}", NewSession((800, 600)), None, 1.0)
        for _ in range(3):
            stored = await sessions.find(name)
            if stored is None:  # it had to make room for newer ones
                return
            await chunks.add(stored, CHUNK, CIPHER)

    async def run() -> None:
        database = await open_database(postgres.new_database(), Durability.PROCESS)
        try:
            tallies, sessions, chunks = await opened(database)
            for start in range(0, SESSIONS, 20):
                await asyncio.gather(*(live(start + number, sessions, chunks) for number in range(20)))
            total = tallies.all()
            assert total.sessions == SESSIONS
            assert total.chunks == 3 * SESSIONS
            assert (total.raw_bytes, total.stored_bytes) == (total.chunks * 4000, total.chunks * 1000)
            assert 40 < tallies.kept.sessions <= 64 + 20
            assert 32 < chunks.kept <= 64 + 20
            again, _, chunks_again = await opened(database)
            assert (again.kept, again.all()) == (tallies.kept, total)
            assert (chunks_again.kept, chunks_again.kept_bytes) == (chunks.kept, chunks.kept_bytes)
            by_owner: list[Tally] = [again.of(f"user{number}") for number in range(5)]
            assert sum(tally.sessions for tally in by_owner) == again.kept.sessions
            assert again.kept.by_state[State.RECORDING] == again.kept.sessions
        finally:
            await database.close()

    asyncio.run(run())
