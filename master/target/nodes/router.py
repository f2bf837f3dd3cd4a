"""Nodes: they register, report how they are, and are listed."""

from __future__ import annotations

import time
from collections.abc import Callable

from master.target.api import errors
from master.target.api.caller import Caller, Role
from master.target.api.domain import Domain
from master.target.api.endpoint import ANYBODY, Answer, Call, Endpoint
from master.target.api.metrics import Gauge
from master.target.nodes.messages import Heartbeat, NewNode, NodePage, NodeQuery, NodeTotals, RegisteredNode
from master.target.nodes.storage import NodeStorage

ALIVE_WITHIN_S = 30.0  # three times the longest pause between the reports of a well node
_REPORTERS = (Role.NODE, Role.ADMIN)


class NodeApi(Domain):
    """The handlers under /nodes. A node account acts for the nodes that it registered, an administrator for all."""

    def __init__(self, storage: NodeStorage, *, clock: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._clock = clock

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
            ),
            Endpoint("GET", "/nodes", self.list_all, "Nodes by name", query=NodeQuery, reply=NodePage),
            Endpoint("GET", "/nodes/{name}", self.read, "One node", roles=ANYBODY, reply=RegisteredNode),
            Endpoint(
                "POST",
                "/nodes/{name}/heartbeat",
                self.heartbeat,
                "Report how a node is",
                roles=_REPORTERS,
                body=Heartbeat,
                reply=RegisteredNode,
            ),
        ]

    async def start(self) -> None:
        """As Domain."""
        await self._storage.create()

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        totals = await self.totals()
        return [
            Gauge("target_nodes", "Registered nodes", totals.total),
            Gauge("target_nodes_alive", "Nodes heard from of late", totals.alive),
        ]

    async def register(self, call: Call) -> Answer:
        """201 for a new node, 200 for one that is known."""
        wanted: NewNode = call.body
        known = await self._storage.node(wanted.name)
        if known is not None:
            _require_owner(known, call.caller)
        elif await self._storage.count() >= self._storage.max_nodes:
            raise errors.conflict("no room for another node")
        await self._storage.put(wanted, call.caller.name, self._clock())
        return Answer(201 if known is None else 200, await self._storage.node(wanted.name))

    async def heartbeat(self, call: Call) -> RegisteredNode:
        """Note how a node is."""
        node = await self._find(call)
        _require_owner(node, call.caller)
        await self._storage.note_heartbeat(node.name, call.body, self._clock())
        return await self._find(call)

    async def read(self, call: Call) -> RegisteredNode:
        """What is known of a node."""
        return await self._find(call)

    async def list_all(self, call: Call) -> NodePage:
        """By name, in pages."""
        query: NodeQuery = call.query
        found = await self._storage.nodes(query.after, query.limit)
        return NodePage(found, found[-1].name if len(found) == query.limit else None)

    async def totals(self) -> NodeTotals:
        """How many nodes there are, and how many are alive."""
        return await self._storage.totals(self._clock() - ALIVE_WITHIN_S)

    async def _find(self, call: Call) -> RegisteredNode:
        node = await self._storage.node(call.path["name"])
        if node is None:
            raise errors.not_found("node")
        return node


def _require_owner(node: RegisteredNode, caller: Caller) -> None:
    if node.owner != caller.name and not caller.is_admin:
        raise errors.forbidden("another account registered this node")
