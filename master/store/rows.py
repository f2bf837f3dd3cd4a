"""What is read from run.db, and written to it, row by row."""

from __future__ import annotations

from typing import NamedTuple


class SecondRow(NamedTuple):
    """The state of the run in one second."""

    second: int
    stage: str
    steady: bool
    users: int
    ready: int
    hot: int
    lost: int


class FitnessRow(NamedTuple):
    """How fit one worker of a node was in one second."""

    node: str
    second: int
    lag_max_ms: float
    worker_cpu_percent: float | None
    requests: int
    unfit: str
    lag: bytes = b""
    """The encoded histogram of its event loop's lag; empty when it was not kept."""
    users: int | None = None
    """Users that it ran when the second ended; None when that is not known."""
    worker: int = 0
    """Its number among the node's workers."""
    own_clock: int = 0
    """Of its requests, those whose response time was ended by its own clock."""
    in_flight: int = 0
    """Requests that were unanswered when the second ended."""
    local_errors: int = 0
    """Requests that failed for want of something on the node itself."""
    exceptions: int = 0
    """Exceptions that the code of its users let through."""


class NodeRow(NamedTuple):
    """How one node is now."""

    name: str
    state: str | None
    wall_offset_s: float | None
    capacity: float | None
    """What it is to carry, in cores of a Raspberry Pi 4 at full clock; less while it is hot. None: it was not measured."""


class SampleGroup(NamedTuple):
    """Those samples of a node within some span that told the same conditions, in one row."""

    node: str
    conditions: int
    """Since the sample before each; see worker.telemetry.conditions."""
    samples: int
    hot: int
    """Samples at or above the temperature asked for."""
    highest_c: float | None
    highest_cpu_percent: float
    lowest_hz: float | None
    highest_hz: float | None


class Event(NamedTuple):
    """Something that happened: `kind` is one word such as `lost`, `node` is None when it concerns the whole run."""

    offset_s: float
    kind: str
    node: str | None
    detail: str


class ErrorRow(NamedTuple):
    """How often one error met one endpoint, and when first."""

    method: str
    name: str
    error: str
    occurrences: int
    first_s: float


class ExceptionRow(NamedTuple):
    """How often the code of one user class let one exception through at one place, and when first."""

    user_class: str
    type: str
    message: str
    place: str
    line: str
    occurrences: int
    first_s: float


class WorkersSecond(NamedTuple):
    """What all workers together were in one second."""

    second: int
    users: int | None
    """Users that ran at its end; None when a worker of which there is a record did not tell."""
    in_flight: int
    local_errors: int
    exceptions: int
