"""What a node did for the platform since some time, as the platform itself has seen it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from master.target.nodes.liveness import NodeState
from master.target.nodes.messages import RegisteredNode, Work
from master.target.nodes.samples import SampleStorage
from master.target.nodes.storage import NodeStorage


class ServerTime(Protocol):
    """What is needed of the RDP servers."""

    async def running_s(self, node: str, since: float, now: float) -> float:
        """For how long servers ran on a node since then, summed over the servers."""


class NodeWork:
    """Reads the work of nodes from what they reported and from what ran on them."""

    def __init__(
        self, nodes: NodeStorage, samples: SampleStorage, servers: ServerTime, clock: Callable[[], float]
    ) -> None:
        self._nodes = nodes
        self._samples = samples
        self._servers = servers
        self._clock = clock

    async def work_of(self, name: str, since: float) -> Work | None:
        """The work of a node since then, in Unix seconds; None if there is no such node."""
        node = await self._nodes.find(name, self._clock())
        return None if node is None else await self.of(node, since)

    async def of(self, node: RegisteredNode, since: float) -> Work:
        """The work of that node."""
        now = self._clock()
        # An earlier node of the same name worked for somebody else.
        since = min(now, max(since, node.registered_at))
        return Work(
            node.name,
            node.owner,
            node.state is not NodeState.LOST,
            since,
            now,
            await self._samples.count_since(node.name, since),
            await self._servers.running_s(node.name, since, now),
            node.losses,
        )
