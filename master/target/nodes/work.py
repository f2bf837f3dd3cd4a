"""What a node did for the platform since some time: the evidence that its score is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from master.target.nodes.liveness import NodeState
from master.target.nodes.samples import SampleStorage
from master.target.nodes.storage import NodeStorage


class ServerTime(Protocol):
    """What is needed of the RDP servers."""

    async def running_s(self, node: str, since: float, now: float) -> float:
        """For how long servers ran on a node since then, summed over the servers."""


class Work(NamedTuple):
    """Of one node. `heartbeats` are those of the time that samples are kept for (see `samples.MAX_SAMPLES`)."""

    node: str
    owner: str
    is_alive: bool
    heartbeats: int
    server_s: float
    losses: int
    """Since it registered."""


class NodeWork:
    """Reads the work of nodes from what they reported and from what ran on them."""

    def __init__(
        self, nodes: NodeStorage, samples: SampleStorage, servers: ServerTime, clock: Callable[[], float]
    ) -> None:
        self._nodes = nodes
        self._samples = samples
        self._servers = servers
        self._clock = clock

    async def work_of(self, node: str, since: float) -> Work | None:
        """The work of a node since then, in Unix seconds; None if there is no such node."""
        now = self._clock()
        found = await self._nodes.find(node, now)
        if found is None:
            return None
        # An earlier node of the same name worked for somebody else.
        since = max(since, found.registered_at)
        return Work(
            node,
            found.owner,
            found.state is not NodeState.LOST,
            await self._samples.count_since(node, since),
            await self._servers.running_s(node, since, now),
            found.losses,
        )
