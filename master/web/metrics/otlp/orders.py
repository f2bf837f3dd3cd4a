"""What the process that sends metrics is told."""

from __future__ import annotations

import msgspec

MODULE = "master.web.metrics.otlp"
METRICS_PATH = "/v1/metrics"


class PushOrders(msgspec.Struct, frozen=True):
    """Where the run's metrics are, and the base URL of the collector that gets them."""

    page_url: str
    endpoint: str
    run: str


def metrics_url(endpoint: str) -> str:
    """Where metrics are sent, for a collector's base URL (OTLP 1.0, "OTLP/HTTP Request")."""
    return endpoint if endpoint.endswith(METRICS_PATH) else endpoint.rstrip("/") + METRICS_PATH
