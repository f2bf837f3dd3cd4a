"""A part of the platform: its endpoints, its figures, and what it does in the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from master.target.api.endpoint import Endpoint
from master.target.api.metrics import Gauge


class Domain:
    """What the application asks of each domain. Started in the order of the application, stopped in the reverse one."""

    summary_types: ClassVar[Mapping[str, Any]] = {}
    """What it has in GET /admin/statistics: the names of its parts and their types."""

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

    async def summary(self) -> dict[str, Any]:
        """Its part of GET /admin/statistics, as `summary_types` says."""
        return {}
