"""What the process that thins is told, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from master.judge.seconds.steady_part import SteadyPart
from master.scenario.rules import Threshold
from master.store import StoreReader
from master.store.thinned.parts import Part
from master.thinning.nodes import thin_nodes
from master.thinning.requests import RequestThinner

What = Literal["requests", "fitness", "samples"]


class ThinningOrders(msgspec.Struct, frozen=True):
    """What the process is to know first."""

    descriptor: int
    """Its end of a socket: jobs come on it, and parts go back."""
    database: str
    thresholds: list[str] = []
    """As texts."""


class Job(msgspec.Struct, frozen=True):
    """One minute of one kind."""

    what: What
    second: int
    end_s: int
    steady: list[tuple[float, float]]
    """The spans in which seconds are judged, in seconds since the run began."""


class Thinner:
    """Works out what minutes come to; it only reads."""

    def __init__(self, thresholds: Sequence[Threshold]) -> None:
        """`thresholds` are those of the run."""
        self._requests = RequestThinner(thresholds)

    def parts(self, reader: StoreReader, job: Job) -> Iterator[Part]:
        """The parts of a job, in the order in which they are to be written."""
        steady = SteadyPart(job.steady)
        if job.what == "requests":
            yield self._requests.thin(reader, job.second, job.end_s, steady)
        else:
            yield from thin_nodes(reader, job.what, job.second, job.end_s, steady)
