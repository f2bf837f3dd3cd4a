"""Nodes in the database. Times are Unix seconds and are passed in."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from master.target.database.database import Database, Row
from master.target.nodes.hardware import MIN_DISK_MB, Hardware, architecture_of
from master.target.nodes.liveness import ALIVE_WITHIN_S, node_state
from master.target.nodes.messages import Heartbeat, NewNode, NodeTotals, RegisteredNode

MAX_NODES = 10_000
_LOST_AT_ONCE = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS nodes (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, model TEXT NOT NULL, architecture TEXT, cpu_count INTEGER NOT NULL,
    memory_mb INTEGER NOT NULL, disk_mb INTEGER NOT NULL, pool TEXT NOT NULL, is_pool_fixed INTEGER NOT NULL DEFAULT 0,
    free_cpu_count INTEGER NOT NULL, free_memory_mb INTEGER NOT NULL, free_disk_mb INTEGER NOT NULL,
    registered_at REAL NOT NULL, heard_at REAL NOT NULL, heartbeats INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0, cpu_percent REAL, memory_percent REAL, temperature_c REAL,
    received_bytes INTEGER, sent_bytes INTEGER, received_bytes_per_s REAL, sent_bytes_per_s REAL,
    lost INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nodes_by_heard_at ON nodes (lost, heard_at);
CREATE INDEX IF NOT EXISTS nodes_by_pool ON nodes (pool, name);
CREATE INDEX IF NOT EXISTS nodes_by_room ON nodes (lost, free_memory_mb, free_cpu_count, free_disk_mb, name);
"""
# The order is that of the fields of `RegisteredNode`, whose last one, the state, follows from the time.
_COLUMNS = (
    "name, owner, model, architecture, cpu_count, memory_mb, disk_mb, pool, is_pool_fixed, free_cpu_count, free_memory_mb,"
    " free_disk_mb, registered_at, heard_at, heartbeats, losses, cpu_percent, memory_percent, temperature_c,"
    " received_bytes, sent_bytes, received_bytes_per_s, sent_bytes_per_s"
)
_PUT = f"""
INSERT INTO nodes (name, owner, model, architecture, cpu_count, memory_mb, disk_mb, pool,
    free_cpu_count, free_memory_mb, free_disk_mb, registered_at, heard_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET model = excluded.model, architecture = excluded.architecture,
    cpu_count = excluded.cpu_count, memory_mb = excluded.memory_mb, disk_mb = excluded.disk_mb, pool = excluded.pool,
    free_cpu_count = nodes.free_cpu_count + excluded.cpu_count - nodes.cpu_count,
    free_memory_mb = nodes.free_memory_mb + excluded.memory_mb - nodes.memory_mb,
    free_disk_mb = nodes.free_disk_mb + excluded.disk_mb - nodes.disk_mb,
    heard_at = excluded.heard_at, lost = 0
RETURNING {_COLUMNS}
"""  # noqa: S608  # built of constants
_RATE = (
    "CASE WHEN CAST(? AS BIGINT) >= {0} AND CAST(? AS DOUBLE PRECISION) > heard_at"
    " THEN (CAST(? AS BIGINT) - {0}) / (CAST(? AS DOUBLE PRECISION) - heard_at) END"
)
_HEARTBEAT_OF_ANY = f"""
UPDATE nodes SET received_bytes_per_s = {_RATE.format("received_bytes")}, sent_bytes_per_s = {_RATE.format("sent_bytes")},
    received_bytes = ?, sent_bytes = ?, heard_at = ?, heartbeats = heartbeats + 1, lost = 0,
    cpu_percent = ?, memory_percent = ?, temperature_c = ?
WHERE name = ?
RETURNING {_COLUMNS}
"""  # noqa: S608  # built of constants
_HEARTBEAT_OF_OWN = _HEARTBEAT_OF_ANY.replace("WHERE name = ?", "WHERE name = ? AND owner = ?")
_NODE = f"SELECT {_COLUMNS} FROM nodes WHERE name = ?"  # noqa: S608
_NODES = f"SELECT {_COLUMNS} FROM nodes WHERE name > ? ORDER BY name LIMIT ?"  # noqa: S608
_NODES_OF_POOL = f"SELECT {_COLUMNS} FROM nodes WHERE pool = ? AND name > ? ORDER BY name LIMIT ?"  # noqa: S608
_SET_POOL = f"UPDATE nodes SET pool = ?, is_pool_fixed = ? WHERE name = ? RETURNING {_COLUMNS}"  # noqa: S608
_REMOVE = (
    "DELETE FROM nodes WHERE name = ? AND free_cpu_count = cpu_count AND free_memory_mb = memory_mb"
    " AND free_disk_mb = disk_mb RETURNING pool"
)
_COUNTS = "SELECT pool, COUNT(*) FROM nodes GROUP BY pool"
_ALIVE = "SELECT COUNT(*) FROM nodes WHERE lost = 0 AND heard_at >= ?"
_LOSE = (
    "UPDATE nodes SET lost = 1, losses = losses + 1 WHERE name IN"
    " (SELECT name FROM nodes WHERE lost = 0 AND heard_at < ? ORDER BY heard_at LIMIT ?) RETURNING name"
)
_HEAR_ALL = "UPDATE nodes SET heard_at = ? WHERE lost = 0"
_SUMS = (
    "SELECT SUM(heartbeats), SUM(losses), SUM(cpu_count), SUM(memory_mb), SUM(disk_mb), SUM(free_cpu_count),"
    " SUM(free_memory_mb), SUM(free_disk_mb) FROM nodes"
)
_USAGE = (
    "SELECT AVG(cpu_percent), AVG(memory_percent), MAX(temperature_c), SUM(received_bytes_per_s), SUM(sent_bytes_per_s)"
    " FROM nodes WHERE lost = 0 AND heard_at >= ?"
)


class NodeSums(NamedTuple):
    """Over all nodes."""

    heartbeats: int
    losses: int
    cpu_count: int
    memory_mb: int
    disk_mb: int
    free_cpu_count: int
    free_memory_mb: int
    free_disk_mb: int


class NodeUsage(NamedTuple):
    """Of the nodes that are alive; None where none of them says it."""

    mean_cpu_percent: float | None
    mean_memory_percent: float | None
    max_temperature_c: float | None
    received_bytes_per_s: float | None
    sent_bytes_per_s: float | None


class NodeStorage:
    """What is known of the nodes; at most `max_nodes` of them are to be put."""

    def __init__(
        self, database: Database, max_nodes: int = MAX_NODES, *, alive_within_s: float = ALIVE_WITHIN_S
    ) -> None:
        self._database = database
        self.max_nodes = max_nodes
        self.alive_within_s = alive_within_s
        self.counts: Counter[str] = Counter()
        """Nodes by pool."""

    @property
    def count(self) -> int:
        """How many nodes there are."""
        return self.counts.total()

    async def create(self, now: float) -> None:
        """Create the tables where they are missing, and take up what an earlier process has left.

        What was silent while no process listened is no loss: nodes that were there count as heard from now.
        """
        await self._database.create(_SCHEMA)
        await self._database.execute(_HEAR_ALL, now)
        self.counts = Counter({pool: int(count) for pool, count in await self._database.fetch_all(_COUNTS)})

    async def put(
        self, wanted: NewNode, owner: str, pool: str, now: float, known: RegisteredNode | None = None
    ) -> RegisteredNode:
        """Register a node, or renew what is known of it, which is `known`; its owner stays who it was."""
        hardware = hardware_of(wanted)
        size = (hardware.cpu_count, hardware.memory_mb, hardware.disk_mb)
        row = (wanted.name, owner, hardware.model, architecture_of(hardware), *size, pool, *size, now, now)
        stored = await self._database.fetch_one(_PUT, *row)
        self._count_move(None if known is None else known.pool, pool)
        return self._node(stored, now)

    async def note_heartbeat(
        self, name: str, owner: str | None, heartbeat: Heartbeat, now: float
    ) -> RegisteredNode | None:
        """Note a heartbeat of a registered node, if it is `owner`'s (None: anybody's). None if there is no such node."""
        received, sent = heartbeat.network_received_bytes, heartbeat.network_sent_bytes
        values: list[Any] = [received, now, received, now, sent, now, sent, now, received, sent, now]
        values += [heartbeat.cpu_percent, heartbeat.memory_percent, heartbeat.temperature_c, name]
        if owner is None:
            row = await self._database.fetch_one(_HEARTBEAT_OF_ANY, *values)
        else:
            row = await self._database.fetch_one(_HEARTBEAT_OF_OWN, *values, owner)
        return None if row is None else self._node(row, now)

    async def find(self, name: str, now: float) -> RegisteredNode | None:
        """The node, or None."""
        row = await self._database.fetch_one(_NODE, name)
        return None if row is None else self._node(row, now)

    async def page(self, after: str, limit: int, now: float, pool: str | None = None) -> list[RegisteredNode]:
        """Up to `limit` nodes whose names come after `after`, by name; of one pool if it is given."""
        if pool is None:
            rows = await self._database.fetch_all(_NODES, after, limit)
        else:
            rows = await self._database.fetch_all(_NODES_OF_POOL, pool, after, limit)
        return [self._node(row, now) for row in rows]

    async def set_pool(self, node: RegisteredNode, pool: str, now: float, *, fixed: bool) -> RegisteredNode | None:
        """Put a node into a pool; `fixed`: it stays there whatever hardware it registers. None if the node is gone."""
        row = await self._database.fetch_one(_SET_POOL, pool, int(fixed), node.name)
        if row is None:
            return None
        self._count_move(node.pool, pool)
        return self._node(row, now)

    async def remove(self, name: str) -> bool:
        """Forget a node; False if it isn't there, or RDP servers are on it."""
        row = await self._database.fetch_one(_REMOVE, name)
        if row is not None:
            self._count_move(row[0], None)
        return row is not None

    async def lose(self, now: float) -> list[str]:
        """Mark nodes that were silent for too long as lost; their names. At most 500 at once, the longest silent first."""
        rows = await self._database.fetch_all(_LOSE, now - self.alive_within_s, _LOST_AT_ONCE)
        return [name for (name,) in rows]

    async def totals(self, now: float) -> NodeTotals:
        """All nodes, and those heard from of late."""
        alive = await self._database.fetch_one(_ALIVE, now - self.alive_within_s)
        return NodeTotals(self.count, 0 if alive is None else int(alive[0]))

    async def sums(self) -> NodeSums:
        """What the nodes have and did."""
        row = await self._database.fetch_one(_SUMS)
        assert row is not None
        return NodeSums(*(int(value or 0) for value in row))

    async def usage(self, now: float) -> NodeUsage:
        """How busy the nodes are."""
        row = await self._database.fetch_one(_USAGE, now - self.alive_within_s)
        return NodeUsage(*(row or (None,) * 5))

    def _node(self, row: Row | None, now: float) -> RegisteredNode:
        assert row is not None
        node = RegisteredNode(*row)
        node.state = node_state(node.heard_at, node.heartbeats, now, self.alive_within_s)
        node.is_pool_fixed = bool(node.is_pool_fixed)
        return node

    def _count_move(self, old: str | None, new: str | None) -> None:
        if old is not None:
            self.counts[old] -= 1
        if new is not None:
            self.counts[new] += 1


def hardware_of(node: NewNode | RegisteredNode) -> Hardware:
    """What a node says of its hardware, and the smallest disk that is taken where it doesn't say."""
    disk_mb = MIN_DISK_MB if node.disk_mb is None else node.disk_mb
    return Hardware(node.model, node.cpu_count, node.memory_mb, node.architecture, disk_mb)
