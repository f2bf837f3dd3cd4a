"""What of the nodes RDP servers have been given, and what is free."""

from __future__ import annotations

from collections.abc import Callable, Collection

from master.target.database.database import Database, Statements
from master.target.nodes.storage import NodeStorage
from master.target.rdp.allocation import Candidate, Resources

MAX_CANDIDATES = 64
"""The nodes that are looked at for one server: those with room that have the least memory free, which bounds the work."""

_ROOM = (
    "SELECT name, cpu_count, memory_mb, disk_mb, free_cpu_count, free_memory_mb, free_disk_mb FROM nodes"
    " WHERE free_memory_mb >= ? AND free_cpu_count >= ? AND free_disk_mb >= ? AND lost = 0 AND heard_at >= ?"
)
_ORDER = " ORDER BY free_memory_mb, free_cpu_count, free_disk_mb, name LIMIT ?"
_ANY, _OF_POOL, _OF_NAME = _ROOM + _ORDER, f"{_ROOM} AND pool = ?{_ORDER}", f"{_ROOM} AND name = ?{_ORDER}"
_RESERVE = (
    "UPDATE nodes SET free_cpu_count = free_cpu_count - ?, free_memory_mb = free_memory_mb - ?,"
    " free_disk_mb = free_disk_mb - ? WHERE name = ? AND free_cpu_count >= ? AND free_memory_mb >= ? AND free_disk_mb >= ?"
)
_RELEASE = (
    "UPDATE nodes SET free_cpu_count = free_cpu_count + ?, free_memory_mb = free_memory_mb + ?,"
    " free_disk_mb = free_disk_mb + ? WHERE name = ?"
)
_HEARD_AT = "SELECT heard_at FROM nodes WHERE name = ?"


class NodeRoom:
    """Finds, reserves and gives back room on the nodes that are alive."""

    def __init__(self, database: Database, nodes: NodeStorage, clock: Callable[[], float]) -> None:
        self._database = database
        self._nodes = nodes
        self._clock = clock

    async def candidates(self, needed: Resources, node: str | None, pool: str | None) -> list[Candidate]:
        """Nodes that are alive and have room, at most 64: that node, those of that pool, or any."""
        values = (needed.memory_mb, needed.cpu_count, needed.disk_mb, self._clock() - self._nodes.alive_within_s)
        if node is not None:
            rows = await self._database.fetch_all(_OF_NAME, *values, node, 1)
        elif pool is not None:
            rows = await self._database.fetch_all(_OF_POOL, *values, pool, MAX_CANDIDATES)
        else:
            rows = await self._database.fetch_all(_ANY, *values, MAX_CANDIDATES)
        return [Candidate(row[0], Resources(*row[1:4]), Resources(*row[4:])) for row in rows]

    async def reserve(self, transaction: Statements, node: str, needed: Resources) -> bool:
        """Take room; False if there is not enough after all."""
        return bool(await transaction.execute(_RESERVE, *needed, node, *needed))

    async def release(self, transaction: Statements, node: str, given: Resources) -> None:
        """Give room back."""
        await transaction.execute(_RELEASE, *given, node)

    async def lost(self, names: Collection[str]) -> set[str]:
        """Those of these nodes that are not alive."""
        heard_since = self._clock() - self._nodes.alive_within_s
        found = set()
        for name in names:
            row = await self._database.fetch_one(_HEARD_AT, name)
            if row is None or row[0] < heard_since:
                found.add(name)
        return found
