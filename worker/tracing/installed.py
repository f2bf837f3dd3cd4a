"""Whether OpenTelemetry is installed here, told without importing it: it is heavy, and imported where a scenario asks for it only."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

EXTRA = "tracing"
PARTS = ("sdk/trace", "exporter/otlp/proto/http/trace_exporter")
"""The parts of the package `opentelemetry` that are needed, as folders in it; each comes with a distribution of its own."""


class MissingTracingError(ImportError):
    """OpenTelemetry is not installed here; the message names what brings it."""


def is_installed() -> bool:
    """Whether this Python has what exports spans."""
    spec = importlib.util.find_spec("opentelemetry")
    roots = [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]
    return all(any((root / part).is_dir() for root in roots) for part in PARTS)


def check_installed(what: str = "'tracing'") -> None:
    """Raises MissingTracingError, which says `what` wants it, where this Python can export nothing."""
    if not is_installed():
        raise MissingTracingError(
            f"OpenTelemetry is not installed here, which {what} needs; the extra '{EXTRA}' brings it"
            f" ({sys.executable} -m pip install 'piswarm[{EXTRA}]')"
        )
