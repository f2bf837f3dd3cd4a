"""Nodes: they register, report how they are, are listed, and are noticed when they fall silent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, ClassVar

from master.target.api import errors
from master.target.api.caller import Caller, Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Answer, Call, Endpoint
from master.target.api.metrics import Gauge
from master.target.nodes.hardware import find_faults
from master.target.nodes.messages import (
    Heartbeat,
    NewNode,
    NodePage,
    NodeQuery,
    NodeStatistics,
    NodeTotals,
    PoolChoice,
    RegisteredNode,
    SamplePage,
    SampleQuery,
    Work,
    WorkQuery,
)
from master.target.nodes.pool_storage import PoolStorage
from master.target.nodes.pools import assign_pool, find_shortfalls, is_full
from master.target.nodes.samples import SampleStorage
from master.target.nodes.storage import NodeStorage, hardware_of
from master.target.nodes.work import NodeWork

STATISTICS_FOR_S = 1.0
_RESERVED_NAMES = frozenset({"statistics"})  # paths of the API beside /nodes/{name}
_SWEEPS = 6  # looks for lost nodes while a node may be silent
_REPORTERS = (Role.NODE, Role.ADMIN)

_log = logging.getLogger("master.target")


class NodeApi(Domain):
    """The handlers under /nodes. A node account acts for the nodes that it registered, an administrator for all."""

    summary_types: ClassVar[dict[str, Any]] = {"nodes": NodeTotals}

    def __init__(
        self,
        storage: NodeStorage,
        samples: SampleStorage,
        pools: PoolStorage,
        work: NodeWork,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._samples = samples
        self._pools = pools
        self._work = work
        self._clock = clock
        self._changing = asyncio.Lock()
        self._refused = 0
        self._statistics: NodeStatistics | None = None
        self._statistics_at = 0.0
        self._watching: asyncio.Task[None] | None = None

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        return [
            Endpoint(
                "POST",
                "/nodes",
                self.register,
                "Register a node, or renew what is known of it",
                roles=_REPORTERS,
                body=NewNode,
                reply=RegisteredNode,
                status=201,
                other_statuses=(200,),
                errors=(409,),
                audited=True,
            ),
            Endpoint("GET", "/nodes", self.list_all, "Nodes by name", query=NodeQuery, reply=NodePage),
            Endpoint("GET", "/nodes/statistics", self.statistics, "Sums over all nodes", reply=NodeStatistics),
            Endpoint("GET", "/nodes/{name}", self.read, "One node", reply=RegisteredNode),
            Endpoint(
                "DELETE",
                "/nodes/{name}",
                self.remove,
                "Forget a node that has no RDP servers",
                roles=_REPORTERS,
                reply=RegisteredNode,
                errors=(409,),
                audited=True,
            ),
            Endpoint(
                "POST",
                "/nodes/{name}/heartbeat",
                self.heartbeat,
                "Report how a node is",
                roles=_REPORTERS,
                body=Heartbeat,
                reply=RegisteredNode,
            ),
            Endpoint(
                "GET",
                "/nodes/{name}/samples",
                self.list_samples,
                "Heartbeats of a node, newest first",
                query=SampleQuery,
                reply=SamplePage,
            ),
            Endpoint(
                "GET",
                "/nodes/{name}/work",
                self.read_work,
                "What a node did since some time",
                query=WorkQuery,
                reply=Work,
            ),
            Endpoint(
                "PUT",
                "/nodes/{name}/pool",
                self.choose_pool,
                "Put a node into a pool",
                roles=(Role.ADMIN,),
                body=PoolChoice,
                reply=RegisteredNode,
                errors=(409,),
                audited=True,
            ),
        ]

    async def start(self) -> None:
        """As Domain."""
        now = self._clock()
        await self._pools.create(now)
        await self._samples.create()
        await self._storage.create(now)
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """As Domain."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    async def summary(self) -> dict[str, NodeTotals]:
        """As Domain."""
        return {"nodes": await self.totals()}

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        totals = await self.totals()
        pools = [
            Gauge("target_pool_nodes", "Nodes in a pool", count, {"pool": pool})
            for pool, count in sorted(self._storage.counts.items())
        ]
        return [
            Gauge("target_nodes", "Registered nodes", totals.total),
            Gauge("target_nodes_alive", "Nodes heard from of late", totals.alive),
            Gauge("target_nodes_refused", "Registrations refused for the hardware since the start", self._refused),
            *pools,
        ]

    async def register(self, call: Call) -> Answer:
        """201 for a new node, 200 for one that is known, 422 that names all that is wrong with its hardware."""
        wanted: NewNode = call.body
        faults = find_faults(hardware_of(wanted))
        if wanted.name in _RESERVED_NAMES:
            faults.append(f"name {wanted.name} is reserved")
        if faults:
            self._refused += 1
            raise errors.invalid("; ".join(faults))
        async with self._changing:  # so that a pool with a limit is not overfilled
            known = await self._storage.find(wanted.name, self._clock())
            if known is not None:
                _require_owner(known, call.caller)
            elif self._storage.count >= self._storage.max_nodes:
                raise errors.conflict("no room for another node")
            pool = self._choose_pool(wanted, known)
            node = await self._storage.put(wanted, call.caller.name, pool, self._clock(), known)
        return Answer(201 if known is None else 200, node)

    async def heartbeat(self, call: Call) -> RegisteredNode:
        """Note how a node is."""
        owner = None if call.caller.is_admin else call.caller.name
        node = await self._storage.note_heartbeat(call.path["name"], owner, call.body, self._clock())
        if node is None:
            _require_owner(await self._find(call), call.caller)
            raise errors.not_found("node")  # it was registered in between
        await self._samples.add(node)
        return node

    async def read(self, call: Call) -> RegisteredNode:
        """What is known of a node."""
        return await self._find(call)

    async def remove(self, call: Call) -> RegisteredNode:
        """The node as it was."""
        async with self._changing:
            node = await self._find(call)
            _require_owner(node, call.caller)
            if not await self._storage.remove(node.name):
                raise errors.conflict("RDP servers are on this node: delete them first")
        return node

    async def list_all(self, call: Call) -> NodePage:
        """By name, in pages."""
        query: NodeQuery = call.query
        found = await self._storage.page(query.after, query.limit, self._clock(), query.pool)
        return NodePage(found, found[-1].name if len(found) == query.limit else None)

    async def list_samples(self, call: Call) -> SamplePage:
        """The newest first, in pages."""
        query: SampleQuery = call.query
        found = await self._samples.page(await self._find(call), query.before, query.limit)
        return SamplePage(found, found[-1].at if len(found) == query.limit else None)

    async def read_work(self, call: Call) -> Work:
        """Heartbeats and server-seconds."""
        return await self._work.of(await self._find(call), call.query.since)

    async def choose_pool(self, call: Call) -> RegisteredNode:
        """By an administrator, for good; null has the hardware decide again."""
        choice: PoolChoice = call.body
        async with self._changing:
            node = await self._find(call)
            name = self._choose_pool(node, None) if choice.pool is None else choice.pool
            pool = self._pools.pools.get(name)
            if pool is None:
                raise errors.not_found("pool")
            shortfalls = find_shortfalls(pool, hardware_of(node))
            if shortfalls:
                raise errors.conflict(f"the pool {name} does not take this node: {'; '.join(shortfalls)}")
            if name != node.pool and is_full(pool, self._storage.counts[name]):
                raise errors.conflict(f"the pool {name} is full")
            moved = await self._storage.set_pool(node, name, self._clock(), fixed=choice.pool is not None)
        if moved is None:
            raise errors.not_found("node")
        return moved

    async def statistics(self, _call: Call) -> NodeStatistics:
        """Sums over all nodes. They take milliseconds over thousands, so they are kept for a second."""
        now = self._clock()
        if self._statistics is None or not 0 <= now - self._statistics_at < STATISTICS_FOR_S:
            self._statistics = await self._sum_up(now)
            self._statistics_at = now
        return self._statistics

    async def totals(self) -> NodeTotals:
        """How many nodes there are, and how many are alive."""
        return await self._storage.totals(self._clock())

    async def _sum_up(self, now: float) -> NodeStatistics:
        totals = await self._storage.totals(now)
        sums = await self._storage.sums()
        usage = await self._storage.usage(now)
        by_pool = {pool: self._storage.counts[pool] for pool in self._pools.pools}
        return NodeStatistics(
            total=totals.total,
            alive=totals.alive,
            lost=totals.total - totals.alive,
            registrations_refused=self._refused,
            **sums._asdict(),
            mean_cpu_percent=usage.mean_cpu_percent,
            mean_memory_percent=usage.mean_memory_percent,
            max_temperature_c=usage.max_temperature_c,
            network_received_bytes_per_s=usage.received_bytes_per_s or 0.0,
            network_sent_bytes_per_s=usage.sent_bytes_per_s or 0.0,
            nodes_by_pool=by_pool,
        )

    def _choose_pool(self, wanted: NewNode | RegisteredNode, known: RegisteredNode | None) -> str:
        """The pool for a node's hardware: where it is, if it may stay."""
        hardware = hardware_of(wanted)
        if known is not None:
            pool = self._pools.pools.get(known.pool)
            if pool is not None and (known.is_pool_fixed or not find_shortfalls(pool, hardware)):
                return known.pool
        return assign_pool(self._pools.pools.values(), self._storage.counts, hardware)

    async def _find(self, call: Call) -> RegisteredNode:
        node = await self._storage.find(call.path["name"], self._clock())
        if node is None:
            raise errors.not_found("node")
        return node

    async def _watch(self) -> None:
        """Mark the silent as lost, a bounded number at a time."""
        period_s = self._storage.alive_within_s / _SWEEPS
        lost: list[str] = []
        while True:
            await asyncio.sleep(0 if lost else period_s)
            try:
                lost = await self._storage.lose(self._clock())
            except Exception:  # noqa: BLE001  # the database may be away for a while
                lost = []
                _log.exception("can't look for lost nodes")


def _require_owner(node: RegisteredNode, caller: Caller) -> None:
    if node.owner != caller.name and not caller.is_admin:
        raise errors.forbidden("another account registered this node")
