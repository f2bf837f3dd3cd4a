"""Nodes: they register, report how they are, and are listed."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from . import errors
from .auth import Authority, Caller
from .bodies import JsonResponse, read_json, read_query
from .messages import Heartbeat, NewNode, NodePage, NodeQuery, NodeTotals, RegisteredNode, Role
from .storage import TargetStorage

ALIVE_WITHIN_S = 30.0  # three times the longest pause between the reports of a well node

_new_node_decoder = msgspec.json.Decoder(NewNode)
_heartbeat_decoder = msgspec.json.Decoder(Heartbeat)


class NodeApi:
    """The handlers under /nodes. A node account acts for the nodes that it registered, an administrator for all."""

    def __init__(self, authority: Authority, storage: TargetStorage, *, clock: Callable[[], float] = time.time) -> None:
        self._authority = authority
        self._storage = storage
        self._clock = clock

    async def register(self, request: Request) -> Response:
        """POST /nodes: 201 for a new node, 200 for one that is known."""
        caller = self._authority.caller(request, Role.NODE, Role.ADMIN)
        wanted = await read_json(request, _new_node_decoder)
        known = self._storage.node(wanted.name)
        if known is not None:
            _require_owner(known, caller)
        elif self.totals().total >= self._storage.limits.nodes:
            raise errors.conflict("no room for another node")
        self._storage.put_node(wanted, caller.name, self._clock())
        return JsonResponse(self._storage.node(wanted.name), 201 if known is None else 200)

    async def heartbeat(self, request: Request) -> Response:
        """POST /nodes/[name]/heartbeat."""
        caller = self._authority.caller(request, Role.NODE, Role.ADMIN)
        heartbeat = await read_json(request, _heartbeat_decoder)
        node = self._find(request)
        _require_owner(node, caller)
        self._storage.beat(node.name, heartbeat, self._clock())
        return JsonResponse(self._find(request))

    async def read(self, request: Request) -> Response:
        """GET /nodes/[name]."""
        self._authority.caller(request)
        return JsonResponse(self._find(request))

    async def list_all(self, request: Request) -> Response:
        """GET /nodes: by name, in pages."""
        self._authority.caller(request)
        query = read_query(request, NodeQuery)
        found = self._storage.nodes(query.after, query.limit)
        return JsonResponse(NodePage(found, found[-1].name if len(found) == query.limit else None))

    def totals(self) -> NodeTotals:
        """How many nodes there are, and how many are alive."""
        return self._storage.node_totals(self._clock() - ALIVE_WITHIN_S)

    def _find(self, request: Request) -> RegisteredNode:
        node = self._storage.node(request.path_params["name"])
        if node is None:
            raise errors.not_found("node")
        return node


def _require_owner(node: RegisteredNode, caller: Caller) -> None:
    if node.owner != caller.name and not caller.is_admin:
        raise errors.forbidden("another account registered this node")
