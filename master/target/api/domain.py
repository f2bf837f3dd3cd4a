"""A part of the platform: its endpoints, its figures, and what it does in the background."""

from __future__ import annotations

from master.target.api.endpoint import Endpoint
from master.target.api.metrics import Gauge


class Domain:
    """What the application asks of each domain. Started in the order of the application, stopped in the reverse one."""

    def endpoints(self) -> list[Endpoint]:
        """What it answers."""
        raise NotImplementedError

    async def start(self) -> None:
        """Make ready before the first request: create tables, take up what an earlier process has left, start tasks."""

    async def stop(self) -> None:
        """End the tasks."""

    async def gauges(self) -> list[Gauge]:
        """Figures for GET /metrics."""
        return []
