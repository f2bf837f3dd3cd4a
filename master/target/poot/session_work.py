"""Work that the platform itself has seen: how long RDP servers ran on a node, as records of the kind `session`."""

from __future__ import annotations

from master.target.api.caller import Caller, Role
from master.target.poot.poot import Poot
from master.target.poot.records import MAX_UNITS, TaskKind, WorkRecord
from master.target.poot.scores import PPM

_PLATFORM = Caller("platform", Role.ADMIN, 0)


class SessionWork:
    """Hands in server-seconds, which are units of work of full quality: the platform measured them."""

    def __init__(self, poot: Poot) -> None:
        self._poot = poot

    async def add_session_work(self, node: str, server_s: int, started_at: float, ended_at: float) -> None:
        """Note that servers ran on a node for so long in that time. Raises ApiError if it is not taken."""
        units = min(server_s, MAX_UNITS)
        times_ms = int(started_at * 1000), int(ended_at * 1000)
        await self._poot.add(WorkRecord(node, TaskKind.SESSION.value, units, PPM, *times_ms), _PLATFORM)
