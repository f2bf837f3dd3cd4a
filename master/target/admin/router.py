"""The handlers under /admin."""

from __future__ import annotations

from master.target.admin.messages import Statistics
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint
from master.target.nodes.router import NodeApi
from master.target.sessions.storage import SessionStorage


class AdminApi(Domain):
    """What administrators see of all domains."""

    def __init__(self, sessions: SessionStorage, nodes: NodeApi) -> None:
        self._sessions = sessions
        self._nodes = nodes

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        return [
            Endpoint(
                "GET",
                "/admin/statistics",
                self.statistics,
                "The platform's totals",
                roles=(Role.ADMIN,),
                reply=Statistics,
            )
        ]

    async def statistics(self, _call: Call) -> Statistics:
        """Sessions, chunks and nodes."""
        return Statistics(dict(self._sessions.by_state), self._sessions.chunk_totals(), await self._nodes.totals())
