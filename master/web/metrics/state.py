"""The state of a run that is handed to Prometheus. Plain data, and the counts that a run adds up for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from master.judge.interim import Interim
from master.scenario.rules import Endpoint
from master.web.metrics.buckets import LatencyBuckets
from worker.load.histogram import ArrivalTally, EndpointStats
from worker.wire.messages import Reading

MAX_LATENCY_ENDPOINTS = 100
"""Endpoints with a histogram of their own; those that came later share one."""
FURTHER: Endpoint = ("", "further endpoints")


class RequestTotals:
    """Requests since the run began, by endpoint: all, failed, and bytes received; their latencies; and arrivals of the open model."""

    def __init__(self) -> None:
        self.rows: dict[Endpoint, list[int]] = {}
        self.latencies: dict[Endpoint, LatencyBuckets] = {}
        """Of those whose worker was fit; of the first MAX_LATENCY_ENDPOINTS, and of all others under FURTHER."""
        self.service_times = LatencyBuckets()
        """Of all endpoints, likewise."""
        self.arrivals = ArrivalTally()

    def add(self, endpoint: Endpoint, tally: EndpointStats, *, fit: bool) -> None:
        """Count requests that were reported."""
        row = self.rows.setdefault(endpoint, [0, 0, 0])
        row[0] += tally.total
        row[1] += tally.failed
        row[2] += tally.received_bytes
        if not fit:
            return
        if endpoint not in self.latencies:
            if len(self.latencies) >= MAX_LATENCY_ENDPOINTS:
                endpoint = FURTHER
            self.latencies.setdefault(endpoint, LatencyBuckets())
        self.latencies[endpoint].add(tally.histogram)
        self.service_times.add(tally.service_times)

    def add_arrivals(self, tally: ArrivalTally) -> None:
        """Count arrivals that were reported."""
        self.arrivals.merge(tally)


@dataclass(frozen=True)
class NodeFigures:
    """One node now. None is unknown."""

    name: str
    state: str
    users: int | None = None
    lag_s: float | None = None
    """The largest lag of its workers' event loops in the latest second."""
    clock_offset_s: float | None = None
    """By how much its wall clock is ahead of the controller's."""
    reading: Reading | None = None


@dataclass(frozen=True)
class DiskFigures:
    """The disk of the run directory: bytes free, and those that the rest of the run is estimated to take."""

    free_bytes: int | None
    needed_bytes: int | None


@dataclass(frozen=True)
class LiveState:
    """A run at one moment."""

    run: str = ""
    scenario: str = ""
    offset_s: float = 0.0
    left_s: float | None = None
    users: int = 0
    users_planned: int | None = 0
    nodes: Mapping[str, int] = field(default_factory=dict)
    """How many are in each state."""
    requests: Mapping[Endpoint, list[int]] = field(default_factory=dict)
    """As RequestTotals.rows."""
    latencies: Mapping[Endpoint, LatencyBuckets] = field(default_factory=dict)
    """As RequestTotals.latencies."""
    service_times: LatencyBuckets | None = None
    """None in the closed model, where they are the latencies."""
    in_flight: Mapping[Endpoint, tuple[int, float]] = field(default_factory=dict)
    """Requests in flight at the end of the latest complete second, and the age of the oldest in seconds, 0 when below one."""
    exceptions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Exceptions in users' code, by user class and type."""
    arrivals: ArrivalTally | None = None
    """Arrivals that workers have reported since the run began; None in the closed model."""
    offered: int | None = None
    """Arrivals that have been due since then, by the schedule; None in the closed model."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Messages and connections that were turned away, by reason."""
    reports: int | None = 0
    workers_restarted: int | None = 0
    excluded_share: float | None = None
    """Of the requests so far, those that are excluded, from 0 to 1."""
    interim: Interim | None = None
    disk: DiskFigures | None = None
    controller: Reading | None = None
    """The controller's own machine."""
    each_node: Callable[[], Iterable[NodeFigures]] = tuple
    """Looks at all nodes; called when somebody asks for them."""
