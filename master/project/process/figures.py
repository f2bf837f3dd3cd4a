"""What the controller has stored since it last told the master side, gathered by endpoint and second. Pure."""

from __future__ import annotations

from collections import Counter

from master.project.process.messages import Occurred, Requests
from master.scenario.rules import Endpoint
from worker.load.histogram import EndpointStats, Histogram

MAX_ERRORS = 10_000
"""Different errors; further ones are counted in no statistics of the locustfile's."""


class Figures:
    """Gathers what was stored."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[int, Endpoint], EndpointStats] = {}
        self._occurred: Counter[tuple[str, str, str]] = Counter()

    def add_requests(self, second: int, endpoint: Endpoint, tally: EndpointStats) -> None:
        """Requests that ended in `second` of the run."""
        self._tallies.setdefault((second, endpoint), EndpointStats()).merge(tally)

    def add_error(self, method: str, name: str, error: str, count: int) -> None:
        """An error at an endpoint; without one an exception."""
        if len(self._occurred) < MAX_ERRORS or (method, name, error) in self._occurred:
            self._occurred[method, name, error] += count

    def pop(self, began_wall_s: float) -> tuple[list[Requests], list[Occurred]]:
        """All of it, in order of time; `began_wall_s` is when the run began, in Unix time."""
        tallies, self._tallies = self._tallies, {}
        occurred, self._occurred = self._occurred, Counter()
        return (
            [
                _requests(endpoint, int(began_wall_s) + second, tally)
                for (second, endpoint), tally in sorted(tallies.items(), key=lambda each: each[0])
            ],
            [Occurred(method, name, error, count) for (method, name, error), count in occurred.items()],
        )


def _requests(endpoint: Endpoint, wall_s: int, tally: EndpointStats) -> Requests:
    latencies = Histogram()
    latencies.merge(tally.histogram)
    if tally.failures is not None:
        latencies.merge(tally.failures)
    return Requests(
        *endpoint,
        wall_s,
        tally.total,
        tally.failed,
        tally.received_bytes,
        tally.without_latency,
        latencies.max_ms,
        latencies.buckets,
    )
