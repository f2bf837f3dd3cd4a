"""What became of requests by the callers' limits, for Prometheus."""

from __future__ import annotations

from master.target.api.domain import Domain
from master.target.api.endpoint import Endpoint
from master.target.api.metrics import Counter, Gauge
from master.target.streamgate.limiting.limiter import CallerLimits


class LimitFigures(Domain):
    """It has no endpoint of its own."""

    def __init__(self, limits: CallerLimits) -> None:
        self._limits = limits

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        return []

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        text = "Requests by what became of them at the caller's limit"
        return [
            Counter("target_rate_limit_requests", text, self._limits.allowed, {"outcome": "allowed"}),
            Counter("target_rate_limit_requests", text, self._limits.refused, {"outcome": "refused"}),
            Gauge("target_rate_limit_callers", "Callers that are known to the limits", self._limits.callers),
        ]
