"""What sign-in remembers, in each place where it can be kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from master.target.auth.lockout import Failures
from master.target.auth.state.database_state import DatabaseState
from master.target.auth.state.redis_state import RedisState
from master.target.auth.state.security_state import Rotation, SecurityState
from master.target.database.cache import Cache, MemoryCache
from master.target.database.database import Database, DatabaseError
from master.target.database.opening import open_database
from master.target.database.redis_server import RedisCache, connect_redis
from master.target.database.sqlite import Durability

Work = Callable[[SecurityState], Awaitable[None]]
PLACES = ["sqlite", "postgresql", "redis"]


@pytest.fixture(params=PLACES)
def on_state(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Work], None]:
    """Carries out work on an empty state."""
    url = ""
    if request.param != "sqlite":
        url = request.getfixturevalue({"postgresql": "postgres"}.get(request.param, request.param)).new_database()

    async def run(work: Work) -> None:
        async with AsyncExitStack() as stack:
            state: SecurityState
            if request.param == "redis":
                client = await connect_redis(url)
                stack.push_async_callback(client.aclose)
                state = RedisState(client)
            else:
                database = await open_database(url or str(tmp_path / "target.db"), Durability.PROCESS)
                stack.push_async_callback(database.close)
                state = DatabaseState(database)
            await state.start()
            await work(state)

    return lambda work: asyncio.run(run(work))


def later(seconds: float = 60.0) -> float:
    return time.time() + seconds


def test_a_family_has_one_good_token(on_state: Callable[[Work], None]) -> None:
    async def work(state: SecurityState) -> None:
        await state.begin_family("f", "a", later())
        await state.begin_family("g", "a", later())
        assert await state.rotate("f", "a", "b", later()) is Rotation.ROTATED
        assert await state.rotate("f", "a", "c", later()) is Rotation.REUSED
        assert await state.rotate("f", "b", "c", later()) is Rotation.ROTATED
        assert await state.rotate("h", "a", "b", later()) is Rotation.UNKNOWN
        await state.revoke("f", later())
        assert await state.rotate("f", "c", "d", later()) is Rotation.UNKNOWN
        assert await state.rotate("g", "a", "b", later()) is Rotation.ROTATED

    on_state(work)


def test_of_many_at_once_one_rotates(on_state: Callable[[Work], None]) -> None:
    async def work(state: SecurityState) -> None:
        await state.begin_family("f", "a", later())
        outcomes = await asyncio.gather(*(state.rotate("f", "a", str(n), later()) for n in range(20)))
        assert outcomes.count(Rotation.ROTATED) == 1
        assert outcomes.count(Rotation.REUSED) == 19

    on_state(work)


def test_revoked_families_are_remembered_until_their_time(on_state: Callable[[Work], None]) -> None:
    async def work(state: SecurityState) -> None:
        now = time.time()
        for number, family in enumerate("abc"):
            await state.revoke(family, now + 10 * number)
        assert [family for family, _ in await state.revoked(now + 5)] == ["b", "c"]
        assert (await state.revoked(now + 15))[0] == ("c", pytest.approx(now + 20))
        assert await state.revoked(now + 20) == []

    on_state(work)


def test_failed_sign_ins_are_remembered_by_name(on_state: Callable[[Work], None]) -> None:
    async def work(state: SecurityState) -> None:
        now = time.time()
        assert await state.failures("user0001") is None
        for failures in (Failures(1, now), Failures(2, now, now + 30)):
            await state.put_failures("user0001", failures, later(), now)
            assert await state.failures("user0001") == failures
        name = "'; DROP TABLE failed_sign_ins --\n\x7f *"
        await state.put_failures(name, Failures(3, now), later(), now)
        assert await state.failures(name) == Failures(3, now)
        await state.clear_failures("user0001")
        assert await state.failures("user0001") is None
        assert await state.failures(name) is not None

    on_state(work)


@pytest.mark.parametrize("place", ["sqlite", "postgresql"])
def test_what_a_database_remembers_is_bounded(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Redis forgets by itself."""
    where = str(tmp_path / "t.db") if place == "sqlite" else request.getfixturevalue("postgres").new_database()

    async def rows(database: Database, table: str) -> int:
        row = await database.fetch_one(f"SELECT COUNT(*) FROM {table}")
        assert row is not None
        return int(row[0])

    async def run() -> None:
        database = await open_database(where, Durability.PROCESS)
        state = DatabaseState(database, max_families=100, max_names=100)
        await state.start()
        for number in range(600):
            await state.begin_family(f"f{number}", "a", later())
            expires_at = 1000.0 + number if number < 500 else 1.0
            await state.put_failures(f"n{number}", Failures(1, 0.0), expires_at, 2.0)
        assert await rows(database, "refresh_families") <= 100 + 256
        assert await state.rotate("f0", "a", "b", later()) is Rotation.UNKNOWN
        assert await state.rotate("f599", "a", "b", later()) is Rotation.ROTATED
        assert await rows(database, "failed_sign_ins") <= 100 + 256
        assert await state.failures("n0") is None
        await database.close()

    asyncio.run(run())


@pytest.mark.parametrize("place", ["memory", "redis"])
def test_a_cache_gives_what_was_put_last(place: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("redis").new_database() if place == "redis" else ""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            cache: Cache = MemoryCache()
            if url:
                client = await connect_redis(url)
                stack.push_async_callback(client.aclose)
                cache = RedisCache(client)
            assert await cache.get("a") is None
            for text in ("one", "zwei ü"):
                await cache.put("a", text)
                assert await cache.get("a") == text

    asyncio.run(run())


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "nonsense", "http://127.0.0.1"])
def test_a_redis_that_can_not_be_used_is_named(url: str) -> None:
    with pytest.raises(DatabaseError, match="Redis") as caught:
        asyncio.run(connect_redis(url))
    assert caught.value.option == "--redis"
