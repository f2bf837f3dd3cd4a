"""Pools of nodes: administrators make and remove them, everybody sees them."""

from __future__ import annotations

import time
from collections.abc import Callable

from master.target.api import errors
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint
from master.target.nodes.messages import NewPool, PoolInfo, PoolList
from master.target.nodes.pool_storage import PoolStorage
from master.target.nodes.pools import DEFAULT_POOL, Pool
from master.target.nodes.storage import NodeStorage


class PoolApi(Domain):
    """The handlers under /pools. The tables are made by NodeApi, which is started before."""

    def __init__(self, pools: PoolStorage, nodes: NodeStorage, *, clock: Callable[[], float] = time.time) -> None:
        self._pools = pools
        self._nodes = nodes
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        return [
            Endpoint(
                "POST",
                "/pools",
                self.add,
                "Create a pool; nodes that register from now on may be put into it",
                roles=(Role.ADMIN,),
                body=NewPool,
                reply=PoolInfo,
                status=201,
                errors=(409,),
                audited=True,
            ),
            Endpoint("GET", "/pools", self.list_all, "All pools by name", reply=PoolList),
            Endpoint("GET", "/pools/{name}", self.read, "One pool", reply=PoolInfo),
            Endpoint(
                "DELETE",
                "/pools/{name}",
                self.remove,
                "Remove a pool without nodes",
                roles=(Role.ADMIN,),
                reply=PoolInfo,
                errors=(409,),
                audited=True,
            ),
        ]

    async def add(self, call: Call) -> PoolInfo:
        """Keep a new pool."""
        wanted: NewPool = call.body
        if len(self._pools.pools) >= self._pools.max_pools:
            raise errors.conflict("no room for another pool")
        pool = Pool(
            wanted.name,
            wanted.min_cpu_count,
            wanted.min_memory_mb,
            wanted.min_disk_mb,
            wanted.architecture,
            wanted.max_nodes,
            self._clock(),
        )
        if not await self._pools.add(pool):
            raise errors.conflict(f"there is a pool {wanted.name} already")
        return self._info(pool)

    async def list_all(self, _call: Call) -> PoolList:
        """By name."""
        return PoolList([self._info(pool) for _, pool in sorted(self._pools.pools.items())])

    async def read(self, call: Call) -> PoolInfo:
        """One pool."""
        return self._info(self._find(call))

    async def remove(self, call: Call) -> PoolInfo:
        """The pool as it was."""
        pool = self._find(call)
        if pool.name == DEFAULT_POOL:
            raise errors.conflict("the default pool stays")
        if self._nodes.counts[pool.name]:
            raise errors.conflict("nodes are in this pool: put them elsewhere first")
        await self._pools.remove(pool.name)
        return self._info(pool)

    def _find(self, call: Call) -> Pool:
        pool = self._pools.pools.get(call.path["name"])
        if pool is None:
            raise errors.not_found("pool")
        return pool

    def _info(self, pool: Pool) -> PoolInfo:
        return PoolInfo(*pool, nodes=self._nodes.counts[pool.name])
