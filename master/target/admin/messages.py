"""What is answered to administrators."""

from __future__ import annotations

from msgspec import Struct

from master.target.nodes.messages import NodeTotals
from master.target.sessions.messages import ChunkTotals


class Statistics(Struct):
    """Answer of GET /admin/statistics. `sessions` counts the kept ones by state."""

    sessions: dict[str, int]
    chunks: ChunkTotals
    nodes: NodeTotals
