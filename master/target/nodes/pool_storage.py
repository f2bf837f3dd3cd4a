"""Pools in the database, and all of them in memory, since each registration looks at all."""

from __future__ import annotations

from master.target.database.database import Database
from master.target.nodes.pools import DEFAULT_POOL, Pool

MAX_POOLS = 100

# The order of columns is that of the fields of `Pool`.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS node_pools (
    name TEXT PRIMARY KEY, min_cpu_count INTEGER NOT NULL, min_memory_mb INTEGER NOT NULL, min_disk_mb INTEGER NOT NULL,
    architecture TEXT, max_nodes INTEGER, created_at REAL NOT NULL) WITHOUT ROWID;
"""
_ADD = (
    "INSERT INTO node_pools (name, min_cpu_count, min_memory_mb, min_disk_mb, architecture, max_nodes, created_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING"
)
_REMOVE = "DELETE FROM node_pools WHERE name = ?"
_POOLS = (
    "SELECT name, min_cpu_count, min_memory_mb, min_disk_mb, architecture, max_nodes, created_at FROM node_pools"
    " ORDER BY name LIMIT ?"
)


class PoolStorage:
    """At most 100 pools, and among them always the default one."""

    def __init__(self, database: Database, max_pools: int = MAX_POOLS) -> None:
        self._database = database
        self.max_pools = max_pools
        self.pools: dict[str, Pool] = {}

    async def create(self, now: float) -> None:
        """Create the table where it is missing, and the default pool; read all pools."""
        await self._database.create(_SCHEMA)
        await self._database.execute(_ADD, *Pool(DEFAULT_POOL, created_at=now))
        rows = await self._database.fetch_all(_POOLS, self.max_pools)
        self.pools = {row[0]: Pool(*row) for row in rows}

    async def add(self, pool: Pool) -> bool:
        """Keep a new pool; False if there is one of that name."""
        if not await self._database.execute(_ADD, *pool):
            return False
        self.pools[pool.name] = pool
        return True

    async def remove(self, name: str) -> None:
        """Forget a pool."""
        await self._database.execute(_REMOVE, name)
        self.pools.pop(name, None)
