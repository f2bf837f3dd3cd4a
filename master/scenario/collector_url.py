"""The URL of an OpenTelemetry collector, as a scenario or an option names it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def check_collector_url(endpoint: str) -> str:
    """`endpoint` itself. Raises ValueError where it is no base URL of a collector that takes OTLP over HTTP."""
    if not re.match(r"https?://", endpoint):
        raise ValueError(f"{endpoint!r:.200} is no URL of a collector, e.g. http://127.0.0.1:4318")
    try:
        url = urlsplit(endpoint)
        usable = bool(url.hostname) and url.port != 0 and re.fullmatch(r"[!-~]+", endpoint) and "\\" not in endpoint
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from None
    if "@" in url.netloc:
        raise ValueError("holds credentials: give them as OTEL_EXPORTER_OTLP_HEADERS, where it is sent from")
    if not usable or "?" in endpoint or "#" in endpoint:
        raise ValueError(f"{endpoint!r:.200} is no base URL of a collector, e.g. http://127.0.0.1:4318")
    return endpoint
