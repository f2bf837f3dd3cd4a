"""Work that the platform itself has measured: for how long RDP servers ran on a node."""

from __future__ import annotations

from master.target.api.caller import Caller, Role
from master.target.poot.poot import Poot
from master.target.poot.records import MAX_UNITS, WorkRecord
from master.target.poot.scores import PPM

KIND = "server"
"""Not among the kinds that nodes may report: the platform's word on it is the only one, and never overlaps with theirs."""
_PLATFORM = Caller("platform", Role.ADMIN, 0)


class ServerWorkLog:
    """Hands in server-seconds as units of work of full quality."""

    def __init__(self, poot: Poot) -> None:
        self._poot = poot

    async def add_server_work(self, node: str, server_s: int, started_at: float, ended_at: float) -> None:
        """Note that servers ran on a node for so long in that time. Raises ApiError if it is not taken."""
        times_ms = int(started_at * 1000), int(ended_at * 1000)
        await self._poot.add(WorkRecord(node, KIND, min(server_s, MAX_UNITS), PPM, *times_ms), _PLATFORM)
