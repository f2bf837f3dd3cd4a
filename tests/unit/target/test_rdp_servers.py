"""RDP servers on nodes of a database, with real listeners: allocation, failures, lost nodes, restarts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_ports

from master.target.api import errors
from master.target.api.errors import ApiError
from master.target.database.sqlite import SqliteDatabase
from master.target.nodes.messages import Heartbeat, NewNode, Work
from master.target.nodes.room import NodeRoom
from master.target.nodes.samples import SampleStorage
from master.target.nodes.storage import NodeStorage
from master.target.nodes.work import NodeWork
from master.target.rdp.client import attempt_connection
from master.target.rdp.messages import NewServer
from master.target.rdp.ports import SYSTEM_PORTS, PortRange
from master.target.rdp.protocol.connection import Security
from master.target.rdp.servers import RdpServers, RdpSettings
from master.target.rdp.states import ServerState
from master.target.rdp.storage import ServerStorage

HOST = "127.0.0.1"
SMALL = NewServer(security=Security.RDP)
STARTED = NewServer(security=Security.RDP, start=True)


class Platform:
    """Nodes and RDP servers on one database, and the time."""

    def __init__(self, database: SqliteDatabase, settings: RdpSettings, now: float) -> None:
        self.now = now
        self.database = database
        self.nodes = NodeStorage(database, alive_within_s=30)
        self.storage = ServerStorage(database)
        room = NodeRoom(database, self.nodes, lambda: self.now)
        self.servers = RdpServers(database, self.storage, room, settings, clock=lambda: self.now, work=self)
        self.told: list[tuple[str, int, float, float]] = []
        self.takes_work = True

    async def add_server_work(self, node: str, server_s: int, started_at: float, ended_at: float) -> None:
        """As WorkLog."""
        if not self.takes_work:
            raise errors.conflict("the node has told of that time")
        self.told.append((node, server_s, started_at, ended_at))

    async def add_node(self, name: str, memory_mb: int = 4096) -> None:
        node = NewNode(name, "board", 4, memory_mb, None, 20_000)
        known = await self.nodes.find(name, self.now)
        await self.nodes.put(node, "node0001", "default", self.now, known)

    async def free_memory_mb(self, name: str) -> int:
        return (await self.nodes.find(name, self.now)).free_memory_mb


@pytest.fixture
def on_platform(tmp_path: Path) -> Callable[..., None]:
    """Runs what a test does on a platform; each time a new process on the same database."""

    def run(
        work: Callable[[Platform], Awaitable[None]],
        settings: RdpSettings | None = None,
        *,
        now: float = 1000.0,
        killed: bool = False,
    ) -> None:
        async def within() -> None:
            database = SqliteDatabase(tmp_path / "target.db")
            platform = Platform(database, settings or RdpSettings(ports=SYSTEM_PORTS), now)
            await platform.nodes.create(now)
            await platform.servers.recover()
            try:
                await work(platform)
            finally:
                if killed:
                    for running in platform.servers.running.values():
                        await running.listener.close()
                else:
                    await platform.servers.close()
                await database.close()

        asyncio.run(asyncio.wait_for(within(), 30))

    return run


def free_range(size: int) -> PortRange:
    """Ports that were free just now."""
    first = free_ports(size)
    return PortRange(first, first + size - 1)


def test_a_server_is_given_room_and_gives_it_back(on_platform: Callable[..., None]) -> None:
    """From creation to deletion, through every state."""

    async def work(platform: Platform) -> None:
        await platform.add_node("a")
        server = await platform.servers.create("user0001", SMALL)
        assert (server.state, server.node, server.port) == (ServerState.CREATED, "a", None)
        assert await platform.free_memory_mb("a") == 4096 - 512
        server = await platform.servers.start(server)
        assert server.state is ServerState.RUNNING
        assert (await attempt_connection(HOST, server.port)).confirm.failure is None
        with pytest.raises(ApiError, match="is running"):
            await platform.servers.delete(server)
        stopped = await platform.servers.stop(server)
        assert (stopped.state, stopped.stopped_at, stopped.connections) == (ServerState.STOPPED, 1000.0, 1)
        with pytest.raises(ConnectionRefusedError):
            await attempt_connection(HOST, server.port)
        assert (await platform.servers.delete(stopped)).state is ServerState.DELETED
        assert await platform.free_memory_mb("a") == 4096
        assert await platform.storage.find(server.id) is None
        totals = await platform.storage.totals()
        assert [totals[name] for name in ("created", "started", "stopped", "deleted", "connections")] == [1, 1, 1, 1, 1]

    on_platform(work)


def test_nodes_are_filled_one_after_the_other(on_platform: Callable[..., None]) -> None:
    """Until none has room; a node or a pool may be asked for."""

    async def work(platform: Platform) -> None:
        for name in ("b", "a"):
            await platform.add_node(name, 1024)
        made = [await platform.servers.create("user0001", SMALL) for _ in range(4)]
        assert [server.node for server in made] == ["a", "a", "b", "b"]
        with pytest.raises(ApiError, match="no node that is alive has room") as caught:
            await platform.servers.create("user0001", SMALL)
        assert caught.value.status == 409
        await platform.servers.delete(made[0])
        for wanted in (NewServer(node="b"), NewServer(pool="big"), NewServer(node="nobody")):
            with pytest.raises(ApiError, match=r"\((node|pool) "):
                await platform.servers.create("user0001", wanted)
        assert (await platform.servers.create("user0001", NewServer(node="a"))).node == "a"

    on_platform(work)


def test_many_at_once_get_what_is_there_and_no_more(on_platform: Callable[..., None]) -> None:
    """Of forty at once, the thirty-two that the nodes have room for, each on a port of its own."""

    async def work(platform: Platform) -> None:
        for number in range(8):
            await platform.add_node(f"n{number}")
        made = await asyncio.gather(
            *(platform.servers.create("user0001", STARTED) for _ in range(40)), return_exceptions=True
        )
        running = [server for server in made if not isinstance(server, BaseException)]
        assert len(running) == 32
        assert {server.state for server in running} == {ServerState.RUNNING}
        assert len({server.port for server in running}) == 32
        attempts = await asyncio.gather(*(attempt_connection(HOST, server.port) for server in running))
        assert not [attempt for attempt in attempts if attempt.confirm.failure is not None]
        assert (await platform.nodes.sums()).free_cpu_count == 0

    on_platform(work)


def test_the_number_of_servers_is_bounded(on_platform: Callable[..., None]) -> None:
    """Whatever room there is."""

    async def work(platform: Platform) -> None:
        await platform.add_node("a")
        await platform.servers.create("user0001", SMALL)
        with pytest.raises(ApiError, match="there are 1 RDP servers"):
            await platform.servers.create("user0001", SMALL)

    on_platform(work, RdpSettings(ports=SYSTEM_PORTS, max_servers=1))


def test_what_is_done_twice_at_once_is_done_once(on_platform: Callable[..., None]) -> None:
    """The other one is told that something else has happened."""

    async def work(platform: Platform) -> None:
        await platform.add_node("a")
        server = await platform.servers.create("user0001", SMALL)
        for do in (platform.servers.start, platform.servers.stop, platform.servers.delete):
            done = await asyncio.gather(*(do(server) for _ in range(3)), return_exceptions=True)
            failed = [one for one in done if isinstance(one, ApiError)]
            assert ([error.status for error in failed], len(done)) == ([409, 409], 3)
            (server,) = [one for one in done if not isinstance(one, BaseException)]
        assert await platform.free_memory_mb("a") == 4096

    on_platform(work)


def test_a_busy_port_is_skipped(on_platform: Callable[..., None]) -> None:
    """When a server is created, and when it is started; without another one it fails and says why."""
    ports = free_range(3)

    async def work(platform: Platform) -> None:
        await platform.add_node("a")
        with socket.create_server((HOST, ports.first)):
            server = await platform.servers.create("user0001", SMALL)
            one, other = server.port, 2 * ports.first + 3 - server.port
            assert {one, other} == {ports.first + 1, ports.first + 2}
            with socket.create_server((HOST, one)):
                server = await platform.servers.start(server)
                assert (server.state, server.port) == (ServerState.RUNNING, other)
            second = await platform.servers.create("user0001", SMALL)
            assert second.port == one
            with socket.create_server((HOST, one)):
                failed = await platform.servers.start(second)
                assert failed.state is ServerState.FAILED
                assert "no port is free" in failed.reason
            with pytest.raises(ApiError, match="no port is free"):
                await platform.servers.create("user0001", SMALL)
        assert (await platform.servers.start(failed)).state is ServerState.RUNNING

    on_platform(work, RdpSettings(ports=ports))


def test_a_port_of_the_systems_that_another_has_by_now_is_left_to_it(on_platform: Callable[..., None]) -> None:
    """The server is started on whichever is free."""

    async def work(platform: Platform) -> None:
        await platform.add_node("a")
        server = await platform.servers.create("user0001", STARTED)
        stopped = await platform.servers.stop(server)
        assert stopped.port is not None
        with socket.create_server((HOST, stopped.port)):
            started = await platform.servers.start(stopped)
        assert started.state is ServerState.RUNNING
        assert started.port != stopped.port
        assert (await attempt_connection(HOST, started.port)).confirm.failure is None

    on_platform(work)


@pytest.mark.parametrize("step", ["begin_run", "listening", "set_traffic", "end_run"])
def test_what_is_broken_off_on_its_way_is_stopped(
    on_platform: Callable[..., None], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A database that goes away in the middle leaves no server that can neither be started, stopped nor deleted."""

    async def work(platform: Platform) -> None:
        await platform.add_node("a")
        server = await platform.servers.create("user0001", SMALL)

        async def breaks(*_: object) -> None:
            raise OSError("the database is away")

        async def begin_run_and_break(*values: Any) -> None:
            await begin_run(*values)
            patched.setattr(platform.storage, "move", breaks)

        begin_run = platform.storage.begin_run
        with monkeypatch.context() as patched:
            if step == "listening":
                patched.setattr(platform.storage, "begin_run", begin_run_and_break)
            else:
                patched.setattr(platform.storage, step, breaks)
            with pytest.raises(OSError, match="away"):
                await platform.servers.stop(await platform.servers.start(server))
        found = await platform.storage.find(server.id)
        assert found.state in {ServerState.STARTING, ServerState.STOPPING}
        await platform.servers._look()
        found = await platform.storage.find(server.id)
        assert (found.state, found.reason) == (ServerState.STOPPED, "it was broken off")
        assert not platform.servers.running
        running = await platform.servers.start(found)
        await platform.servers.delete(await platform.servers.stop(running))
        assert await platform.free_memory_mb("a") == 4096
        assert await platform.storage.running_s("a", 0, 1e9) == 0

    on_platform(work)


def test_a_server_that_can_not_be_started_at_once_is_not_left_behind(
    on_platform: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would know its id."""

    async def work(platform: Platform) -> None:
        await platform.add_node("a")

        async def all_lost(names: list[str]) -> set[str]:
            return set(names)

        monkeypatch.setattr(platform.servers._nodes, "lost", all_lost)
        with pytest.raises(ApiError, match="is lost"):
            await platform.servers.create("user0001", STARTED)
        assert await platform.storage.page(None, None, 10) == []
        assert await platform.free_memory_mb("a") == 4096

    on_platform(work)


def test_the_servers_of_a_lost_node_are_stopped(on_platform: Callable[..., None]) -> None:
    """And not started again before it is heard."""

    async def work(platform: Platform) -> None:
        await platform.add_node("a")
        server = await platform.servers.create("user0001", STARTED)
        await platform.servers._look()
        assert (await platform.storage.find(server.id)).state is ServerState.RUNNING
        platform.now += 31
        await platform.servers._look()
        stopped = await platform.storage.find(server.id)
        assert (stopped.state, stopped.reason) == (ServerState.STOPPED, "the node a was lost")
        with pytest.raises(ApiError, match="is lost"):
            await platform.servers.start(stopped)
        with pytest.raises(ApiError, match="no node that is alive"):
            await platform.servers.create("user0001", SMALL)
        await platform.add_node("a")
        assert (await platform.servers.start(stopped)).reason is None

    on_platform(work)


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
def test_the_next_process_starts_again_what_ran(on_platform: Callable[..., None], *, killed: bool) -> None:
    """On the same ports; what was stopped stays so, and room stays taken."""
    settings = RdpSettings(ports=free_range(4))
    found: dict[str, int] = {}

    async def before(platform: Platform) -> None:
        await platform.add_node("a")
        for wanted in (STARTED, STARTED, SMALL):
            server = await platform.servers.create("user0001", wanted)
            found[server.id] = server.port
        await platform.servers.stop(await platform.storage.find(next(iter(found))))

    async def after(platform: Platform) -> None:
        states = [(await platform.storage.find(server_id)).state for server_id in found]
        assert states == [ServerState.STOPPED, ServerState.RUNNING, ServerState.CREATED]
        running = await platform.storage.find(list(found)[1])
        assert running.port == found[running.id]
        assert (await attempt_connection(HOST, running.port)).confirm.failure is None
        assert await platform.free_memory_mb("a") == 4096 - 3 * 512
        assert platform.servers.ports_taken == 3

    on_platform(before, settings, killed=killed)
    on_platform(after, settings, now=5000.0)


def test_server_seconds_are_the_time_that_servers_ran(on_platform: Callable[..., None]) -> None:
    """Of all servers of a node together, without what an earlier process was not there for."""

    async def before(platform: Platform) -> None:
        await platform.add_node("a")
        first = await platform.servers.create("user0001", STARTED)
        platform.now += 10
        await platform.servers.create("user0001", STARTED)
        platform.now += 10
        await platform.servers.stop(first)
        assert await platform.storage.running_s("a", 0, platform.now) == 30
        assert await platform.storage.running_s("a", 1015, platform.now) == 10
        assert await platform.storage.running_s("b", 0, platform.now) == 0

    async def after(platform: Platform) -> None:
        platform.now += 5
        assert await platform.storage.running_s("a", 0, platform.now) == 35

    on_platform(before)
    on_platform(after, now=5000.0)


def test_a_nodes_work_is_its_heartbeats_and_its_server_seconds(on_platform: Callable[..., None]) -> None:
    """Since some time, and of the present node of that name alone."""

    async def work(platform: Platform) -> None:
        samples = SampleStorage(platform.database)
        await samples.create()
        evidence = NodeWork(platform.nodes, samples, platform.storage, lambda: platform.now)
        assert await evidence.work_of("a", 0.0) is None
        await platform.add_node("a")
        server = await platform.servers.create("user0001", STARTED)
        for _ in range(4):
            platform.now += 10
            await samples.add(await platform.nodes.note_heartbeat("a", None, Heartbeat(1.0, 2.0), platform.now))
        assert await evidence.work_of("a", 0.0) == Work("a", "node0001", True, 1000.0, 1040.0, 4, 40.0, 0)
        assert await evidence.work_of("a", 1025.0) == Work("a", "node0001", True, 1025.0, 1040.0, 2, 15.0, 0)
        await platform.servers.delete(await platform.servers.stop(server))
        assert await platform.nodes.remove("a")
        await platform.add_node("a")
        platform.now += 31
        assert await evidence.work_of("a", 0.0) == Work("a", "node0001", False, 1040.0, 1071.0, 1, 0.0, 0)

    on_platform(work)


def test_work_is_told_in_stretches_that_do_not_overlap(on_platform: Callable[..., None]) -> None:
    """When a server stops, and every minute while one runs; together it is the time that the servers ran."""

    async def work(platform: Platform) -> None:
        for name in ("a", "b"):
            await platform.add_node(name)
        first = await platform.servers.create("user0001", STARTED)
        platform.now += 10
        second = await platform.servers.create("user0001", STARTED)
        platform.now += 20
        await platform.servers.stop(first)
        for _ in range(7):
            platform.now += 10
            for name in ("a", "b"):
                await platform.nodes.note_heartbeat(name, None, Heartbeat(1.0, 2.0), platform.now)
            await platform.servers._look()
        await platform.servers.stop(second)
        platform.now += 100
        await platform.add_node("a")
        await platform.servers.start(await platform.storage.find(second.id))
        platform.now += 5
        expected = [("a", 50, 1000.0, 1030.0), ("a", 60, 1030.0, 1090.0), ("a", 10, 1090.0, 1100.0)]
        assert platform.told == expected
        await platform.servers.close()
        assert platform.told == [*expected, ("a", 5, 1200.0, 1205.0)]

    on_platform(work)


def test_work_that_is_not_taken_is_no_servers_matter(on_platform: Callable[..., None]) -> None:
    """It stops all the same."""

    async def work(platform: Platform) -> None:
        await platform.add_node("a")
        server = await platform.servers.create("user0001", STARTED)
        platform.now += 10
        platform.takes_work = False
        assert (await platform.servers.stop(server)).state is ServerState.STOPPED

    on_platform(work)


def test_a_session_gets_a_server_of_its_own_until_it_ends(on_platform: Callable[..., None]) -> None:
    """Without room it is told so at once, and nothing is left behind."""

    async def work(platform: Platform) -> None:
        with pytest.raises(ApiError, match="no node"):
            await platform.servers.create_for("user0001", "s1", (800, 600))
        await platform.add_node("a")
        server_id = await platform.servers.create_for("user0001", "s1", (800, 600))
        server = await platform.storage.find(server_id)
        assert (server.session, server.owner, server.state) == ("s1", "user0001", ServerState.RUNNING)
        for _ in range(2):
            await platform.servers.release(server_id)
        assert await platform.storage.find(server_id) is None
        assert await platform.free_memory_mb("a") == 4096

    on_platform(work)


def test_the_server_of_a_forgotten_session_goes_after_an_hour(on_platform: Callable[..., None]) -> None:
    """One that somebody is connected to stays, and so does one that no session asked for."""

    async def work(platform: Platform) -> None:
        await platform.add_node("a")
        forgotten, used = [await platform.servers.create_for("user0001", name, (800, 600)) for name in "fu"]
        own = await platform.servers.create("user0001", STARTED)
        port = (await platform.storage.find(used)).port
        _, writer = await asyncio.open_connection(HOST, port)
        for _ in range(61):
            platform.now += 60
            await platform.add_node("a")
            await platform.servers._look()
        assert await platform.storage.find(forgotten) is None
        for server_id in (used, own.id):
            assert (await platform.storage.find(server_id)).state is ServerState.RUNNING
        assert await platform.free_memory_mb("a") == 4096 - 2 * 512
        writer.close()

    on_platform(work)
