"""Requests in flight over the fleet, second by second, for the latest seconds. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from master.scenario.rules import Endpoint
from worker.load.histogram import Histogram


class Waiting:
    """Requests of one endpoint that had not been answered at the end of one second."""

    __slots__ = ("ages", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0
        self.ages = Histogram()
        """Of those that had been waiting for worker.wire.messages.WAITING_S or longer, in ms."""

    def add(self, in_flight: int, ages: Histogram) -> None:
        """Add those of a worker."""
        self.in_flight += in_flight
        self.ages.merge(ages)


class InFlightSeconds:
    """What workers tell of requests in flight, until the second is old."""

    def __init__(self) -> None:
        self._seconds: defaultdict[int, dict[Endpoint, Waiting]] = defaultdict(dict)
        self._changes: dict[tuple[int, Endpoint], Waiting] = {}

    def add(self, second: int, endpoint: Endpoint, in_flight: int, ages: Histogram) -> None:
        """A worker had so many requests in flight at the end of `second`."""
        self._seconds[second].setdefault(endpoint, Waiting()).add(in_flight, ages)
        if ages.buckets:
            self._changes.setdefault((second, endpoint), Waiting()).add(in_flight, ages)

    def at(self, second: int) -> dict[Endpoint, Waiting]:
        """Those at the end of one of the latest seconds, by endpoint."""
        return self._seconds.get(second, {})

    def take_changes(self) -> Iterator[tuple[int, Endpoint, Waiting]]:
        """What was added since the last call of requests that had been waiting for long."""
        changes, self._changes = self._changes, {}
        for (second, endpoint), waiting in changes.items():
            yield second, endpoint, waiting

    def forget(self, before: int) -> None:
        """Forget the seconds earlier than this one."""
        for second in [second for second in self._seconds if second < before]:
            del self._seconds[second]
