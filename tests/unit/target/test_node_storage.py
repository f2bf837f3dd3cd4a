"""Nodes, their pools and their heartbeats in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from master.target.database.sqlite import SqliteDatabase
from master.target.nodes.liveness import NodeState
from master.target.nodes.messages import Heartbeat, NewNode
from master.target.nodes.pool_storage import PoolStorage
from master.target.nodes.pools import DEFAULT_POOL, Pool
from master.target.nodes.samples import SampleStorage
from master.target.nodes.storage import NodeStorage

PI_4 = NewNode("n", "Pi 4", 4, 4096)
BEAT = Heartbeat(cpu_percent=10.0, memory_percent=20.0)


@pytest.fixture
def on_nodes(tmp_path: Path) -> Callable[..., None]:
    """Runs what a test does with a database and the storage of nodes on it; each time anew on the same file."""

    def run(work: Callable[[SqliteDatabase, NodeStorage], Awaitable[None]], now: float = 0.0) -> None:
        async def within() -> None:
            database = SqliteDatabase(tmp_path / "target.db")
            storage = NodeStorage(database, alive_within_s=30)
            await storage.create(now)
            try:
                await work(database, storage)
            finally:
                await database.close()

        asyncio.run(within())

    return run


def test_a_node_registered_again_keeps_its_owner_and_its_history(on_nodes: Callable[..., None]) -> None:
    """Its hardware is renewed, and so is when it was heard from."""

    async def work(_database: SqliteDatabase, storage: NodeStorage) -> None:
        known = await storage.put(PI_4, "node0001", DEFAULT_POOL, now=1.0)
        await storage.note_heartbeat("n", None, BEAT, now=2.0)
        renewed = NewNode("n", "Pi 5", 4, 8192, "aarch64", 60_000)
        node = await storage.put(renewed, "admin01", "big", now=3.0, known=known)
        assert await storage.find("n", 3.0) == node
        found = (node.owner, node.model, node.registered_at, node.heard_at, node.heartbeats, node.pool)
        assert found == ("node0001", "Pi 5", 1.0, 3.0, 1, "big")
        assert (node.free_cpu_count, node.free_memory_mb, node.free_disk_mb) == (4, 8192, 60_000)
        assert [(await storage.totals(now)).alive for now in (33.0, 33.1)] == [1, 0]
        assert storage.count == 1
        assert (storage.counts["big"], storage.counts[DEFAULT_POOL]) == (1, 0)

    on_nodes(work)


def test_a_heartbeat_of_another_account_is_not_noted(on_nodes: Callable[..., None]) -> None:
    """Nor one of a node that nobody registered."""

    async def work(_database: SqliteDatabase, storage: NodeStorage) -> None:
        await storage.put(PI_4, "node0001", DEFAULT_POOL, now=1.0)
        assert await storage.note_heartbeat("n", "node0002", BEAT, 2.0) is None
        assert await storage.note_heartbeat("m", "node0001", BEAT, 2.0) is None
        assert (await storage.note_heartbeat("n", "node0001", BEAT, 2.0)).heartbeats == 1

    on_nodes(work)


def test_network_rates_are_between_two_heartbeats(on_nodes: Callable[..., None]) -> None:
    """Counters that begin anew, as after a reboot, give no rate, and neither does a first or a missing one."""

    async def work(_database: SqliteDatabase, storage: NodeStorage) -> None:
        await storage.put(PI_4, "node0001", DEFAULT_POOL, now=0.0)
        rates = []
        for now, received, sent in ((1.0, 2**40, 500), (3.0, 2**40 + 1000, 500), (4.0, 10, 600), (5.0, None, None)):
            beat = Heartbeat(1.0, 2.0, network_received_bytes=received, network_sent_bytes=sent)
            node = await storage.note_heartbeat("n", None, beat, now)
            rates.append((node.network_received_bytes_per_s, node.network_sent_bytes_per_s))
        assert rates == [(None, None), (500.0, 0.0), (None, 100.0), (None, None)]

    on_nodes(work)


def test_silent_nodes_are_lost_once_until_they_are_heard(on_nodes: Callable[..., None]) -> None:
    """Each loss is counted, and a heartbeat ends it."""

    async def work(_database: SqliteDatabase, storage: NodeStorage) -> None:
        for name in ("a", "b"):
            await storage.put(NewNode(name, "Pi 4", 4, 4096), "node0001", DEFAULT_POOL, now=0.0)
        await storage.note_heartbeat("b", None, BEAT, 10.0)
        assert await storage.lose(30.0) == []
        assert await storage.lose(31.0) == ["a"]
        assert await storage.lose(31.0) == []
        assert [node.state for node in await storage.page("", 10, 31.0)] == [NodeState.LOST, NodeState.ONLINE]
        node = await storage.note_heartbeat("a", None, BEAT, 32.0)
        assert (node.state, node.losses) == (NodeState.ONLINE, 1)
        assert set(await storage.lose(63.0)) == {"a", "b"}

    on_nodes(work)


def test_the_targets_own_silence_is_no_loss(on_nodes: Callable[..., None]) -> None:
    """Nodes that were there when the process ended have their whole time to report to the next one."""

    async def before(_database: SqliteDatabase, storage: NodeStorage) -> None:
        await storage.put(PI_4, "node0001", DEFAULT_POOL, now=0.0)
        await storage.put(NewNode("m", "Pi 4", 4, 4096), "node0001", DEFAULT_POOL, now=-100.0)
        assert await storage.lose(0.0) == ["m"]

    async def after(_database: SqliteDatabase, storage: NodeStorage) -> None:
        assert (await storage.find("n", 1000.0)).state is NodeState.REGISTERED
        assert (await storage.find("m", 1000.0)).state is NodeState.LOST
        assert (storage.count, storage.counts[DEFAULT_POOL]) == (2, 2)

    on_nodes(before)
    on_nodes(after, now=1000.0)


def test_a_node_with_servers_on_it_is_not_removed(on_nodes: Callable[..., None]) -> None:
    """Only one of which everything is free."""

    async def work(database: SqliteDatabase, storage: NodeStorage) -> None:
        await storage.put(PI_4, "node0001", DEFAULT_POOL, now=0.0)
        await database.execute("UPDATE nodes SET free_memory_mb = free_memory_mb - 1")
        assert not await storage.remove("n")
        await database.execute("UPDATE nodes SET free_memory_mb = free_memory_mb + 1")
        assert await storage.remove("n")
        assert (storage.count, await storage.find("n", 0.0)) == (0, None)

    on_nodes(work)


def test_samples_are_bounded_and_come_newest_first(on_nodes: Callable[..., None]) -> None:
    """Of one node, none of an earlier node of its name, in pages."""

    async def work(database: SqliteDatabase, storage: NodeStorage) -> None:
        samples = SampleStorage(database, max_samples=1000)
        await samples.create()
        await storage.put(PI_4, "node0001", DEFAULT_POOL, now=1.0)
        for at in range(3000):
            node = await storage.note_heartbeat("n", None, BEAT, float(at))
            await samples.add(node)
        kept = (await database.fetch_one("SELECT COUNT(*) FROM node_samples"))[0]
        assert 1000 <= kept < 1000 + 1024
        page = await samples.page(node, 1e12, 2)
        assert [sample.at for sample in page] == [2999.0, 2998.0]
        assert [sample.at for sample in await samples.page(node, page[-1].at, 2)] == [2997.0, 2996.0]
        assert await samples.count_since("n", 2990.0) == 10
        node.registered_at = 2999.0
        assert len(await samples.page(node, 1e12, 10)) == 1

    on_nodes(work)


def test_pools_are_kept_and_the_default_one_is_always_there(tmp_path: Path) -> None:
    """Also for the next process."""

    async def run(now: float) -> dict[str, Pool]:
        database = SqliteDatabase(tmp_path / "target.db")
        storage = PoolStorage(database)
        await storage.create(now)
        assert await storage.add(Pool("big", min_memory_mb=8000, created_at=now)) == (now == 1.0)
        await storage.add(Pool("gone"))
        await storage.remove("gone")
        await database.close()
        return storage.pools

    first = asyncio.run(run(1.0))
    assert first == {
        DEFAULT_POOL: Pool(DEFAULT_POOL, created_at=1.0),
        "big": Pool("big", min_memory_mb=8000, created_at=1.0),
    }
    assert asyncio.run(run(2.0)) == first
