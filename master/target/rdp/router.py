"""RDP servers over HTTP: create, start, test, monitor, stop, delete."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import ClassVar

from master.target.api import errors
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint
from master.target.api.metrics import Gauge
from master.target.rdp.client import attempt_connection
from master.target.rdp.messages import (
    ConnectionTest,
    NewServer,
    ServerInfo,
    ServerPage,
    ServerQuery,
    ServerStatistics,
    ServerTotals,
    ServerUsage,
)
from master.target.rdp.protocol.connection import Security
from master.target.rdp.protocol.tpkt import ProtocolError
from master.target.rdp.protocol.x224 import Protocols
from master.target.rdp.servers import RdpServers
from master.target.rdp.states import ServerState
from master.target.rdp.storage import ServerStorage, StoredServer

_OWNERS = (Role.USER, Role.ADMIN)
_TRAFFIC = ("connections", "confirmed", "refused", "received_bytes", "sent_bytes")


class RdpApi(Domain):
    """The handlers under /rdp. A user sees and does what is its own, an administrator everything."""

    summary_types: ClassVar[dict[str, type[ServerTotals]]] = {"rdp_servers": ServerTotals}

    def __init__(self, servers: RdpServers, storage: ServerStorage, *, clock: Callable[[], float] = time.time) -> None:
        self._servers = servers
        self._storage = storage
        self._clock = clock
        self._watching: asyncio.Task[None] | None = None

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        server = "/rdp/servers/{id}"
        return [
            Endpoint(
                "POST",
                "/rdp/servers",
                self.create,
                "Create an RDP server on a node with room for it",
                roles=_OWNERS,
                body=NewServer,
                reply=ServerInfo,
                status=201,
                errors=(409,),
                audited=True,
            ),
            Endpoint(
                "GET",
                "/rdp/servers",
                self.list_own,
                "RDP servers, newest first: the caller's own, or an administrator's all",
                roles=_OWNERS,
                query=ServerQuery,
                reply=ServerPage,
            ),
            Endpoint("GET", "/rdp/statistics", self.statistics, "Sums over all RDP servers", reply=ServerStatistics),
            Endpoint("GET", server, self.read, "One RDP server", roles=_OWNERS, reply=ServerInfo),
            Endpoint(
                "DELETE",
                server,
                self.delete,
                "Delete an RDP server that does not run",
                roles=_OWNERS,
                reply=ServerInfo,
                errors=(409,),
                audited=True,
            ),
            Endpoint(
                "POST",
                f"{server}/start",
                self.start_server,
                "Start an RDP server",
                roles=_OWNERS,
                reply=ServerInfo,
                errors=(409,),
                audited=True,
            ),
            Endpoint(
                "POST",
                f"{server}/stop",
                self.stop_server,
                "Stop an RDP server",
                roles=_OWNERS,
                reply=ServerInfo,
                errors=(409,),
                audited=True,
            ),
            Endpoint(
                "POST",
                f"{server}/test",
                self.test,
                "Connect to an RDP server as a client does",
                roles=_OWNERS,
                reply=ConnectionTest,
                errors=(409,),
            ),
            Endpoint(
                "GET",
                f"{server}/usage",
                self.usage,
                "What an RDP server has been given, and its connections",
                roles=_OWNERS,
                reply=ServerUsage,
            ),
        ]

    async def start(self) -> None:
        """As Domain."""
        await self._servers.recover()
        self._watching = asyncio.get_running_loop().create_task(self._servers.watch())

    async def stop(self) -> None:
        """As Domain."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        await self._servers.close()

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        counts = await self._storage.count_by_state()
        now = sum(running.listener.traffic.connections_now for running in self._servers.running.values())
        return [
            *(
                Gauge("target_rdp_servers", "RDP servers, by state", counts.get(state, 0), {"state": state.value})
                for state in ServerState
                if state is not ServerState.DELETED
            ),
            Gauge("target_rdp_connections", "Open connections to RDP servers", now),
        ]

    async def summary(self) -> dict[str, ServerTotals]:
        """As Domain."""
        counts = await self._storage.count_by_state()
        return {"rdp_servers": ServerTotals(sum(counts.values()), counts.get(ServerState.RUNNING, 0))}

    async def create(self, call: Call) -> ServerInfo:
        """Allocate, and start if that is asked for."""
        return self._info(await self._servers.create(call.caller.name, call.body))

    async def list_own(self, call: Call) -> ServerPage:
        """Newest first, in pages."""
        query: ServerQuery = call.query
        owner = None if call.caller.is_admin else call.caller.name
        found = await self._storage.page(owner, query.after, query.limit)
        return ServerPage(list(map(self._info, found)), found[-1].serial if len(found) == query.limit else None)

    async def read(self, call: Call) -> ServerInfo:
        """One server."""
        return self._info(await self._find(call))

    async def start_server(self, call: Call) -> ServerInfo:
        """Running, or failed with the reason."""
        return self._info(await self._servers.start(await self._find(call)))

    async def stop_server(self, call: Call) -> ServerInfo:
        """Stopped."""
        return self._info(await self._servers.stop(await self._find(call)))

    async def delete(self, call: Call) -> ServerInfo:
        """The server as it was, deleted."""
        return self._info(await self._servers.delete(await self._find(call)))

    async def test(self, call: Call) -> ConnectionTest:
        """A real connection by TCP, and the first step of RDP on it."""
        server = await self._find(call)
        if server.state is not ServerState.RUNNING or server.port is None:
            raise errors.conflict(f"the RDP server is {server.state.value}, not running")
        await self._storage.add_total("tests")
        offered = Protocols.RDP if server.security is Security.RDP else Protocols.SSL
        try:
            attempt = await attempt_connection(self._servers.settings.host, server.port, offered)
        except (OSError, EOFError, ProtocolError) as error:
            return ConnectionTest(False, None, None, None, str(error) or type(error).__name__)
        if attempt.confirm.failure is not None:
            return ConnectionTest(False, None, None, None, attempt.confirm.failure.name)
        selected = (attempt.confirm.selected or Protocols.RDP).name or "RDP"
        return ConnectionTest(True, selected.lower(), 1000 * attempt.connect_s, 1000 * attempt.answer_s, None)

    async def usage(self, call: Call) -> ServerUsage:
        """What earlier runs and the present one have seen."""
        server = await self._find(call)
        running = self._servers.running.get(server.id)
        before = server if running is None else running.server
        usage = ServerUsage(
            server.id,
            server.state,
            *server.resources,
            running_s=0.0 if running is None else self._clock() - running.since,
            connections_now=0,
            **{name: getattr(before, name) for name in _TRAFFIC},
        )
        if running is not None:
            traffic = running.listener.traffic
            usage.connections_now = traffic.connections_now
            usage.connections += traffic.connections_total
            usage.confirmed += traffic.confirmed_total
            usage.refused += traffic.refused_total
            usage.received_bytes += traffic.received_bytes
            usage.sent_bytes += traffic.sent_bytes
        return usage

    async def statistics(self, _call: Call) -> ServerStatistics:
        """Sums over some hundred rows at most."""
        counts, totals, sums = (
            await self._storage.count_by_state(),
            await self._storage.totals(),
            await self._storage.sums(),
        )
        return ServerStatistics(
            servers=counts,
            max_servers=self._servers.settings.max_servers,
            ports_taken=self._servers.ports_taken,
            allocated_cpu_count=sums.cpu_count,
            allocated_memory_mb=sums.memory_mb,
            allocated_disk_mb=sums.disk_mb,
            **{name: totals[name] for name in ("created", "started", "stopped", "failed", "deleted", "tests")},
            connections_now=sum(running.listener.traffic.connections_now for running in self._servers.running.values()),
            **{name: totals[name] + getattr(sums, name) for name in _TRAFFIC},
        )

    def _info(self, server: StoredServer) -> ServerInfo:
        return ServerInfo(
            server.id,
            server.owner,
            server.node,
            server.session,
            server.state,
            server.security,
            server.cpu_count,
            server.memory_mb,
            server.disk_mb,
            self._servers.settings.host,
            server.port,
            server.reason,
            server.created_at,
            server.started_at,
            server.stopped_at,
        )

    async def _find(self, call: Call) -> StoredServer:
        server = await self._storage.find(call.path["id"])
        # Another's server is not told apart from one that does not exist, so that nobody can probe for them.
        if server is None or not (call.caller.is_admin or server.owner == call.caller.name):
            raise errors.not_found("RDP server")
        return server
