"""The RDP servers of this process: each has room on a node, a port, and while it runs a listener."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from master.target.api import errors
from master.target.database.database import Database, Statements
from master.target.rdp.allocation import Candidate, Resources, best_fit
from master.target.rdp.listener import Listener
from master.target.rdp.messages import NewServer
from master.target.rdp.opening import ListenerOpener
from master.target.rdp.ports import DEFAULT_PORTS, PortRange
from master.target.rdp.states import ServerEvent, ServerState, next_state
from master.target.rdp.storage import ServerStorage, StoredServer
from master.target.rdp.work import ServerWork, WorkLog

MAX_SERVERS = 1000
WATCH_EVERY_S = 2.0
SESSION_IDLE_S = 3600.0
"""A server made for a session that nobody was connected to for so long goes: the session was forgotten."""
_log = logging.getLogger("master.target")


class Nodes(Protocol):
    """What RDP servers need of the nodes."""

    async def candidates(self, needed: Resources, node: str | None, pool: str | None) -> list[Candidate]:
        """Nodes that are alive and have room, a bounded number: that node, those of that pool, or any."""

    async def reserve(self, transaction: Statements, node: str, needed: Resources) -> bool:
        """Take room; False if there is not enough after all."""

    async def release(self, transaction: Statements, node: str, given: Resources) -> None:
        """Give room back."""

    async def lost(self, names: Collection[str]) -> set[str]:
        """Those of these nodes that are not alive."""


@dataclass(frozen=True)
class RdpSettings:
    """Where RDP servers listen, and how many there may be."""

    host: str = "127.0.0.1"
    ports: PortRange = DEFAULT_PORTS
    max_servers: int = MAX_SERVERS


@dataclass(slots=True)
class Running:
    """A server that listens. `server` has the traffic of its earlier runs alone."""

    server: StoredServer
    listener: Listener
    since: float
    active_at: float
    """When it was last seen to have a connection, or to have had one."""
    saved_at_bytes: int = 0


class RdpServers:
    """Creates, starts, stops and deletes servers. What happens to one at the same time twice happens once."""

    def __init__(
        self,
        database: Database,
        storage: ServerStorage,
        nodes: Nodes,
        settings: RdpSettings,
        *,
        clock: Callable[[], float] = time.time,
        work: WorkLog | None = None,
    ) -> None:
        self._work = ServerWork(storage, work)
        self._database = database
        self._storage = storage
        self._nodes = nodes
        self.settings = settings
        self._clock = clock
        self._opener = ListenerOpener(settings.host, settings.ports)
        self._allocating = asyncio.Lock()
        self._interrupted: set[str] = set()
        self._count = 0
        self.running: dict[str, Running] = {}

    @property
    def ports_taken(self) -> int:
        """How many ports have been given out."""
        return self._opener.ports_taken

    async def recover(self) -> None:
        """Take up what an earlier process has left: what ran is started again, on its port if that is still free."""
        await self._storage.create()
        found = await self._storage.page(None, None, 2**31)
        self._count = len(found)
        for server in found:
            self._opener.keep_port(server.port)
        for server in reversed(found):
            stopped = next_state(server.state, ServerEvent.PROCESS_ENDED)
            if stopped is None:
                continue
            ran = server.state in {ServerState.STARTING, ServerState.RUNNING}
            moved = await self._storage.move(server, stopped, "the target was restarted")
            if ran and moved is not None:
                with contextlib.suppress(errors.ApiError):  # it stays stopped, or is failed, and says why
                    await self.start(moved)

    async def close(self) -> None:
        """Close the listeners. Their servers stay running in the database: the next process starts them again."""
        for running in list(self.running.values()):
            await running.listener.close()
            await self._storage.set_traffic(running.server, running.listener.traffic)
        now = self._clock()
        await self._storage.see_runs(now)
        for node in self._nodes_in_use():
            await self._work.tell(node, now, is_over=True)
        self.running.clear()

    async def create(self, owner: str, wanted: NewServer, session: str | None = None) -> StoredServer:
        """Give a new server room on a node and a port. Raises ApiError 409 if one of the two can't be had."""
        needed = Resources(wanted.cpu_count, wanted.memory_mb, wanted.disk_mb)
        async with self._allocating:
            if self._count >= self.settings.max_servers:
                raise errors.conflict(f"there are {self._count} RDP servers already: delete one first")
            chosen = best_fit(await self._nodes.candidates(needed, wanted.node, wanted.pool), needed)
            if chosen is None:
                asked_for = f" (node {wanted.node})" if wanted.node else f" (pool {wanted.pool})" if wanted.pool else ""
                raise errors.conflict(f"no node that is alive has room for this RDP server{asked_for}")
            stored = await self._add(owner, wanted, session, chosen.name, needed)
            self._count += 1
        if not wanted.start:
            return stored
        try:
            return await self.start(stored)
        except errors.ApiError:  # whoever asked for it gets no id to delete it by
            await self.delete(stored)
            raise

    async def _add(
        self, owner: str, wanted: NewServer, session: str | None, node: str, needed: Resources
    ) -> StoredServer:
        """Take a port, and with it room on the node, for a server that is not there yet."""
        port = self._opener.take_port()
        server = StoredServer(
            0,
            secrets.token_hex(8),
            owner,
            node,
            session,
            ServerState.CREATED,
            wanted.security,
            *needed,
            port,
            None,
            self._clock(),
            None,
            None,
        )
        with contextlib.ExitStack() as undo:
            undo.callback(self._opener.give_back, port)
            async with self._database.transaction() as transaction:
                if not await self._nodes.reserve(transaction, node, needed):
                    raise errors.conflict("the node has just lost its room: try again")
                stored = await self._storage.add(transaction, server)
            undo.pop_all()
        return stored

    async def start(self, server: StoredServer) -> StoredServer:
        """Have a server listen. Raises ApiError 409 if it can't be started now, or its node is lost."""
        if await self._nodes.lost([server.node]):
            raise errors.conflict(f"the node {server.node} is lost")
        with self._noting_interruption(server):
            starting = await self._move(server, ServerEvent.START)
            try:
                listener, port = await self._opener.open(starting.security, starting.port)
            except (OSError, errors.ApiError) as error:
                return await self._move(starting, ServerEvent.NOT_LISTENING, f"can't listen: {error}", "failed")
            now = self._clock()
            self.running[server.id] = Running(replace(starting, port=port), listener, now, now)
            try:
                await self._storage.begin_run(starting, port, now)
            except BaseException:
                del self.running[server.id]
                await listener.close()
                if port != starting.port:
                    self._opener.give_back(port)
                raise
            if port != starting.port:
                self._opener.give_back(starting.port)  # not before the database has the other one
            self._work.begin(server.node, now)
            return await self._move(starting, ServerEvent.LISTENING)

    async def stop(self, server: StoredServer, reason: str | None = None) -> StoredServer:
        """Close a server's listener and connections. Raises ApiError 409 if it isn't running."""
        with self._noting_interruption(server):
            stopping = await self._move(server, ServerEvent.STOP, reason)
            running = self.running.pop(server.id, None)
            if running is not None:
                await running.listener.close()
                await self._storage.set_traffic(running.server, running.listener.traffic)
            now = self._clock()
            await self._storage.end_run(stopping, now)
            await self._work.tell(server.node, now, is_over=server.node not in self._nodes_in_use())
            return await self._move(stopping, ServerEvent.CLOSED, reason, "stopped")

    async def delete(self, server: StoredServer) -> StoredServer:
        """Forget a server that doesn't run; its room and port are free again. Raises ApiError 409 if it does."""
        following = _following(server, ServerEvent.DELETE)
        async with self._database.transaction() as transaction:
            if not await self._storage.remove(transaction, server):
                raise errors.conflict("something else has just happened to this server")
            await self._nodes.release(transaction, server.node, server.resources)
        self._opener.give_back(server.port)
        self._count -= 1
        return replace(server, state=following)

    async def create_for(self, owner: str, session_id: str, _resolution: tuple[int, int]) -> str:
        """Create and start a server for a session; its id. Raises ApiError if none can be had."""
        server = await self.create(owner, NewServer(start=True), session_id)
        if server.state is not ServerState.RUNNING:
            await self.delete(server)
            raise errors.unavailable(f"the session's RDP server did not start: {server.reason}")
        return server.id

    async def release(self, server_id: str) -> None:
        """Stop and delete the server of a session that has ended, whatever state it is in, if it is still there."""
        with contextlib.suppress(errors.ApiError):  # somebody else is at it
            server = await self._storage.find(server_id)
            if server is not None and server.state is ServerState.RUNNING:
                server = await self.stop(server)
            if server is not None:
                await self.delete(server)

    async def watch(self) -> None:
        """Until cancelled: keep what the listeners have seen, and stop the servers of nodes that are lost."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            try:
                await self._look()
            except Exception:  # noqa: BLE001  # the database may be away for a while
                _log.exception("can't look after the RDP servers")

    async def _look(self) -> None:
        for server_id in list(self._interrupted):
            await self._finish(server_id)
        if not self.running:
            return
        now = self._clock()
        await self._storage.see_runs(now)
        nodes = self._nodes_in_use()
        await self._work.tell_all(nodes, now)
        lost = await self._nodes.lost(nodes)
        for running in list(self.running.values()):
            server, traffic = running.server, running.listener.traffic
            has_more = traffic.received_bytes != running.saved_at_bytes
            if has_more:
                running.saved_at_bytes = traffic.received_bytes
                await self._storage.set_traffic(server, traffic)
            if has_more or traffic.connections_now:
                running.active_at = now
            if server.node in lost:
                await self._stop_running(server.id, f"the node {server.node} was lost")
            elif server.session is not None and now - running.active_at > SESSION_IDLE_S:
                await self.release(server.id)

    async def _stop_running(self, server_id: str, reason: str) -> None:
        server = await self._storage.find(server_id)
        if server is not None:
            with contextlib.suppress(errors.ApiError):  # somebody else is at it
                await self.stop(server, reason)

    @contextlib.contextmanager
    def _noting_interruption(self, server: StoredServer) -> Iterator[None]:
        """Whatever breaks a start or a stop off, such as a database that goes away, leaves a state that nobody asks to leave."""
        try:
            yield
        except errors.ApiError:
            raise
        except BaseException:
            self._interrupted.add(server.id)
            raise

    async def _finish(self, server_id: str) -> None:
        """Stop what was broken off on its way."""
        server = await self._storage.find(server_id)
        running = self.running.get(server_id)
        if server is not None and (server.state is not ServerState.RUNNING or running is None):
            if running is not None:
                del self.running[server_id]
                await running.listener.close()
            following = next_state(server.state, ServerEvent.PROCESS_ENDED)
            if following is not None:
                await self._storage.end_run(server, self._clock())
                await self._storage.move(server, following, "it was broken off", "stopped")
        self._interrupted.discard(server_id)

    def _nodes_in_use(self) -> set[str]:
        return {running.server.node for running in self.running.values()}

    async def _move(
        self, server: StoredServer, event: ServerEvent, reason: str | None = None, total: str | None = None
    ) -> StoredServer:
        moved = await self._storage.move(server, _following(server, event), reason, total)
        if moved is None:
            raise errors.conflict("something else has just happened to this server")
        return moved


def _following(server: StoredServer, event: ServerEvent) -> ServerState:
    following = next_state(server.state, event)
    if following is None:
        raise errors.conflict(f"the RDP server is {server.state.value}: it can't be told to {event.value}")
    return following
