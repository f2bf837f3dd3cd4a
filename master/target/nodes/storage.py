"""Nodes in the database. Times are Unix seconds and are passed in."""

from __future__ import annotations

from master.target.database.database import Database
from master.target.nodes.messages import Heartbeat, NewNode, NodeTotals, RegisteredNode

MAX_NODES = 10_000

# The order of columns is that of the fields of `RegisteredNode`.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS nodes (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, model TEXT NOT NULL, cpu_count INTEGER NOT NULL, memory_mb INTEGER NOT NULL,
    registered_at REAL NOT NULL, heard_at REAL NOT NULL, heartbeats INTEGER NOT NULL DEFAULT 0,
    cpu_percent REAL, memory_percent REAL, temperature_c REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nodes_by_heard_at ON nodes (heard_at);
"""
_PUT = (
    "INSERT INTO nodes (name, owner, model, cpu_count, memory_mb, registered_at, heard_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET model = excluded.model, cpu_count = excluded.cpu_count,"
    " memory_mb = excluded.memory_mb, heard_at = excluded.heard_at"
)
_HEARTBEAT = (
    "UPDATE nodes SET heard_at = ?, heartbeats = heartbeats + 1, cpu_percent = ?, memory_percent = ?, temperature_c = ?"
    " WHERE name = ?"
)
_NODE = "SELECT * FROM nodes WHERE name = ?"
_NODES = "SELECT * FROM nodes WHERE name > ? ORDER BY name LIMIT ?"
_COUNT = "SELECT COUNT(*) FROM nodes"
_ALIVE = "SELECT COUNT(*) FROM nodes WHERE heard_at >= ?"


class NodeStorage:
    """What is known of the nodes; at most `max_nodes` of them are to be put."""

    def __init__(self, database: Database, max_nodes: int = MAX_NODES) -> None:
        self._database = database
        self.max_nodes = max_nodes

    async def create(self) -> None:
        """Create the tables where they are missing."""
        await self._database.create(_SCHEMA)

    async def put(self, wanted: NewNode, owner: str, now: float) -> None:
        """Register a node, or renew what is known of it; its owner stays who it was."""
        row = (wanted.name, owner, wanted.model, wanted.cpu_count, wanted.memory_mb, now, now)
        await self._database.execute(_PUT, *row)

    async def note_heartbeat(self, name: str, heartbeat: Heartbeat, now: float) -> None:
        """Note a heartbeat of a registered node."""
        values = (now, heartbeat.cpu_percent, heartbeat.memory_percent, heartbeat.temperature_c, name)
        await self._database.execute(_HEARTBEAT, *values)

    async def node(self, name: str) -> RegisteredNode | None:
        """The node, or None."""
        row = await self._database.fetch_one(_NODE, name)
        return None if row is None else RegisteredNode(*row)

    async def nodes(self, after: str, limit: int) -> list[RegisteredNode]:
        """Up to `limit` nodes whose names come after `after`, by name."""
        return [RegisteredNode(*row) for row in await self._database.fetch_all(_NODES, after, limit)]

    async def count(self) -> int:
        """How many nodes there are."""
        row = await self._database.fetch_one(_COUNT)
        return 0 if row is None else int(row[0])

    async def totals(self, heard_since: float) -> NodeTotals:
        """All nodes, and those heard from since then."""
        alive = await self._database.fetch_one(_ALIVE, heard_since)
        return NodeTotals(await self.count(), 0 if alive is None else int(alive[0]))
