"""What is read from run.db, and written to it, row by row."""

from __future__ import annotations

from typing import NamedTuple

from worker.load.histogram import EndpointStats
from worker.load.in_flight import Endpoint

CONTROLLER = "controller"
"""The name, among the nodes, of the controller's own machine."""
CHECKPOINT_KEY = "checkpoint"
"""The key in `meta` of the state from which another controller resumes the run, written once a second."""

ERROR_SPAN_S = 10
"""Errors over time are counted in spans of so many seconds from the start of the run: short enough to see beside which event they
began, and with the 100 kinds that are kept apart 9 MB a day at most."""

RACKS_KEY = "racks"
"""The key in `meta` of the inventory's group, by node, that says where the node is."""


class SecondRow(NamedTuple):
    """The state of the run in one second."""

    second: int
    stage: str
    steady: bool
    users: int
    ready: int
    hot: int
    lost: int
    offered: int | None = None
    """Arrivals of the open model that are due in it by the schedule of the whole fleet; None in the closed model."""


class RequestRow(NamedTuple):
    """What all workers finished at one endpoint in a span of time, those that were fit to measure, or the others."""

    second: int
    """The first of the span."""
    endpoint: Endpoint
    tally: EndpointStats
    fit: bool
    """Whether the workers were fit to measure it."""
    span_s: int
    """How many seconds there are: 1 at full resolution, up to 60 once thinned. None of them has a row of its own, and all are
    of one stage, and steady or none of them is."""


class TargetRow(NamedTuple):
    """What the target's process used in one second, where it runs on the controller's machine; None where that is unknown."""

    second: int
    cpu_percent: float | None
    """Of one core."""
    memory_bytes: int | None
    """Resident."""


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
    userspace_timed: int = 0
    """Of its requests, those whose response time was ended by its own clock."""
    in_flight: int = 0
    """Requests that were unanswered when the second ended."""
    local_errors: int = 0
    """Requests that failed for want of something on the node itself."""
    exceptions: int = 0
    """Exceptions that the code of its users let through."""


class NodeRow(NamedTuple):
    """The latest state of one node."""

    name: str
    state: str | None
    wall_offset_s: float | None
    capacity: float | None
    """The load it can carry, in cores of a Raspberry Pi 4 at full clock; less while it is hot. None: not measured."""


class SampleGroup(NamedTuple):
    """The samples of a node within some span that have the same conditions, in one row."""

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


class SampleRange(NamedTuple):
    """What one column of a node's samples came to within some span."""

    lowest: float
    mean: float
    """Of the samples of which it is known."""
    highest: float


class SampleBlock(NamedTuple):
    """The samples of a node within one of several spans of equal length."""

    span: int
    """The number of the span, from 0 on."""
    node: str
    samples: int
    ranges: tuple[SampleRange | None, ...]
    """By column, as they were asked for; None where no sample knows it."""


class LatestSample(NamedTuple):
    """The latest sample of a node within some span, and how many it has there from which second on."""

    node: str
    samples: int
    first_s: int
    second: int
    cpu_percent: float
    memory_percent: float
    temperature_c: float | None
    frequency_hz: float | None
    conditions: int
    """Since the sample before; see worker.telemetry.conditions."""


class Event(NamedTuple):
    """Something that happened: `kind` is one word such as `lost`, `node` is None when it concerns the whole run."""

    offset_s: float
    kind: str
    node: str | None
    detail: str


class ErrorRow(NamedTuple):
    """How often one error occurred at one endpoint, and when first."""

    method: str
    name: str
    error: str
    occurrences: int
    first_s: float


class ErrorSpan(NamedTuple):
    """How often one kind of error, which is its text at whatever endpoint, was reported of [start_s, start_s + ERROR_SPAN_S)."""

    start_s: int
    error: str
    occurrences: int


class ExceptionRow(NamedTuple):
    """How often one exception left the code of one user class at one place, and when first."""

    user_class: str
    type: str
    message: str
    place: str
    line: str
    occurrences: int
    first_s: float


class WorkersSecond(NamedTuple):
    """All workers together in one second."""

    second: int
    users: int | None
    """Users that ran at its end; None when a worker that has a row did not report them."""
    in_flight: int
    local_errors: int
    exceptions: int
