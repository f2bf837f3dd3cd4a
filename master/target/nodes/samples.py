"""The heartbeats of the nodes, kept for a while: what monitoring shows, and what a node's work is counted by."""

from __future__ import annotations

from master.target.database.database import Database
from master.target.nodes.messages import NodeSample, RegisteredNode

MAX_SAMPLES = 100_000
"""Of all nodes together: 25 minutes of 500 nodes that report every 7.5 s, in about 10 MB."""
_PRUNE_EVERY = 1024

_SCHEMA = """
CREATE TABLE IF NOT EXISTS node_samples (
    serial SERIAL_KEY, node TEXT NOT NULL, at REAL NOT NULL, cpu_percent REAL NOT NULL, memory_percent REAL NOT NULL,
    temperature_c REAL, received_bytes_per_s REAL, sent_bytes_per_s REAL);
CREATE INDEX IF NOT EXISTS node_samples_by_time ON node_samples (node, at);
"""
_ADD = (
    "INSERT INTO node_samples (node, at, cpu_percent, memory_percent, temperature_c, received_bytes_per_s, sent_bytes_per_s)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING serial"
)
_PRUNE = "DELETE FROM node_samples WHERE serial <= ?"
_PAGE = (
    "SELECT at, cpu_percent, memory_percent, temperature_c, received_bytes_per_s, sent_bytes_per_s FROM node_samples"
    " WHERE node = ? AND at >= ? AND at < ? ORDER BY at DESC LIMIT ?"
)
_COUNT = "SELECT COUNT(*) FROM node_samples WHERE node = ? AND at >= ?"


class SampleStorage:
    """The last `max_samples` heartbeats of all nodes together."""

    def __init__(self, database: Database, max_samples: int = MAX_SAMPLES) -> None:
        self._database = database
        self._max_samples = max_samples

    async def create(self) -> None:
        """Create the table where it is missing."""
        await self._database.create(_SCHEMA)

    async def add(self, node: RegisteredNode) -> None:
        """Keep the heartbeat that `node` holds; the oldest go now and then."""
        row = await self._database.fetch_one(
            _ADD,
            node.name,
            node.heard_at,
            node.cpu_percent,
            node.memory_percent,
            node.temperature_c,
            node.network_received_bytes_per_s,
            node.network_sent_bytes_per_s,
        )
        assert row is not None
        serial = int(row[0])
        if serial % _PRUNE_EVERY == 0:
            await self._database.execute(_PRUNE, serial - self._max_samples)

    async def page(self, node: RegisteredNode, before: float, limit: int) -> list[NodeSample]:
        """Up to `limit` heartbeats before that time, newest first; none of an earlier node of the same name."""
        rows = await self._database.fetch_all(_PAGE, node.name, node.registered_at, before, limit)
        return [NodeSample(*row) for row in rows]

    async def count_since(self, name: str, since: float) -> int:
        """How many heartbeats of a node came since then, of those that are kept."""
        row = await self._database.fetch_one(_COUNT, name, since)
        return 0 if row is None else int(row[0])
