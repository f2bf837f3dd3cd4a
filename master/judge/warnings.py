"""What a reader of a result should know that is no fault of the target, nor of the generator: mostly of the user classes. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

from master.scenario.rules import Endpoint
from master.scenario.units import format_latency
from master.store import MAX_ENDPOINTS, OTHER
from worker.load.histogram import EndpointStats

ALIKE = 50
"""Endpoints whose names differ in ids alone, from which on that is pointed out."""
NAMED = 3
"""How many groups of names, or endpoints, are named."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|[0-9]+", re.IGNORECASE)
_ID_SIGN = "[id]"


def warnings_for(endpoints: Mapping[Endpoint, EndpointStats], duration_s: float) -> list[str]:
    """The warnings for a run of this length with these requests."""
    return [*_names(endpoints), *_times(endpoints, duration_s)]


def _names(endpoints: Mapping[Endpoint, EndpointStats]) -> list[str]:
    alike = Counter((method, _ID.sub(_ID_SIGN, name)) for method, name in endpoints)
    found = [
        f"{number} endpoints are named alike but for ids in them: give such requests one name,"
        f' e.g. name="{name}" for those to {method} {name}'
        for (method, name), number in alike.most_common(NAMED)
        if number >= ALIKE
    ]
    if OTHER in endpoints and not found:
        found.append(
            "the URLs requested seem to hold ids or words that change: give requests that belong together one name, with name="
        )
    if OTHER in endpoints:
        found.append(
            f"{endpoints[OTHER].total} requests had names beyond the first {MAX_ENDPOINTS}: they are counted together, not by endpoint"
        )
    return found


def _times(endpoints: Mapping[Endpoint, EndpointStats], duration_s: float) -> list[str]:
    """Latencies that can't be: a request takes no longer than the run."""
    longer = [
        (" ".join(endpoint), tally.histogram.max_ms)
        for endpoint, tally in endpoints.items()
        if tally.histogram.max_ms > 1000 * (duration_s + 60)
    ]
    return [
        f"{name} is said to have taken {'for ever' if math.isinf(max_ms) else format_latency(float(f'{max_ms:.3g}'))}, longer than"
        " the run: is its response_time in ms?"
        for name, max_ms in sorted(longer, key=lambda row: -row[1])[:NAMED]
    ]
