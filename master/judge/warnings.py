"""What a reader of a result should know that is no fault of the target, nor of the generator: mostly of the user classes. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from master.formatting import counted
from master.judge.result import DataResult, ThinnedPart
from master.scenario.rules import Endpoint
from master.scenario.units import format_latency
from master.store import MAX_ENDPOINTS, OTHER, ErrorRow
from worker.load.histogram import EndpointStats
from worker.tracing.span import LOST_SPANS

ALIKE = 50
"""Endpoints whose names differ in ids alone, from which on that is pointed out."""
NAMED = 3
"""How many groups of names, or endpoints, are named."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|[0-9]+", re.IGNORECASE)
_ID_SIGN = "[id]"


class Shortage(NamedTuple):
    """The users of an open run that has missed arrivals since none was free."""

    missed: int
    max_users: int
    rate_per_s: float
    """Arrivals that were due per second of the steady part."""
    requests: float
    """Of an arrival, on average."""
    service_p99_ms: float | None


def warnings_for(
    endpoints: Mapping[Endpoint, EndpointStats], duration_s: float, shortage: Shortage | None = None
) -> list[str]:
    """The warnings for a run of this length with these requests, in which users were short, or not."""
    return [*_names(endpoints), *_times(endpoints, duration_s), *([] if shortage is None else [_missed(shortage)])]


def late_requests(thinned: ThinnedPart | None) -> list[str]:
    """The warning for requests that came when the windows of their seconds were judged already, if there are any."""
    if thinned is None or not thinned.late_requests:
        return []
    late = counted(thinned.late_requests, "request")
    said = f"{late} came so late that run.db had no longer each second: counted, but thresholds with a window were judged without"
    return [said]


def lost_spans(errors: Iterable[ErrorRow]) -> list[str]:
    """The warning for spans of traced requests that the collector did not get, if there are any."""
    lost = {row.error: row.occurrences for row in errors if row.name == LOST_SPANS}
    if not lost:
        return []
    reasons = "; ".join(f"{reason} ({count})" for reason, count in lost.items())
    return [f"{counted(sum(lost.values()), 'span')} of traced requests did not reach the collector: {reasons}"]


def untaken_rows(data: Iterable[DataResult]) -> list[str]:
    """A warning for each table of which no user took a row."""
    return [
        f'data {table.name}: no user took any of its {counted(table.rows, "row")}; they are taken by rows("{table.name}").take()'
        for table in data
        if not table.taken and not table.unsure
    ]


def _missed(shortage: Shortage) -> str:
    """How many users would have been free, where the target's answers take as long as they did."""
    said = f"{counted(shortage.missed, 'arrival')} found none of {counted(shortage.max_users, 'user')} free"
    if shortage.service_p99_ms is None:
        return said
    busy = math.ceil(shortage.rate_per_s * shortage.requests * shortage.service_p99_ms / 1000)
    takes = format_latency(float(f"{shortage.service_p99_ms:.2g}"))
    if busy <= shortage.max_users:
        return f"{said}: for moments answers took far longer than 99 % of them did ({takes})"
    return f"{said}: where answers take {takes} (service p99), about {busy} are busy; a larger max_users lets that be measured in place of missed"


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
