"""result.json: the outcome of a run, schema `piswarm/result/1`.

`requests` and each endpoint's `total` and `failed` count the whole run, ramps and stopping included, so that they can be held
against what the target counted. Rates, percentiles, thresholds and validity speak of the steady part alone (the holds of the
stages), and of requests measured while their node was fit.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import msgspec

from worker.atomic_write import atomic_write_public

SCHEMA = "piswarm/result/1"
NO_DATA = "no data"
"""What is observed of a check where nothing was measured."""
_LARGEST = (1 << 63) - 1
"""Readers have no larger integers."""


class Nodes(msgspec.Struct, kw_only=True):
    """The fleet: how many nodes were expected, were ready at most, and were lost or quarantined for good or for a time.

    `ready_s` is how long it took from the start of the fleet until the load could begin; None when it never could.
    """

    expected: int
    peak: int
    ready_s: float | None
    lost: int
    quarantined: int
    simulated: bool
    thermal_speed: float = 1.0
    """How many times faster than real ones simulated boards warmed up and cooled down."""
    request_cpu_ms: float | None = None
    """CPU that a request was taken to cost on a Pi 4's core, on simulated nodes; None where it was what it cost here."""

    @property
    def simulation_assumptions(self) -> str:
        """What the scenario assumed of simulated nodes that does not hold for real ones, in words; empty when nothing."""
        said = []
        if self.simulated and self.thermal_speed != 1:
            said.append(f"boards warm up and cool down {self.thermal_speed:g} times as fast as real ones")
        if self.simulated and self.request_cpu_ms is not None:
            said.append(f"a request is taken to cost {self.request_cpu_ms:g} ms of a Pi 4's core")
        return ", and ".join(said)


class Users(msgspec.Struct, kw_only=True):
    """Users: the most that the scenario asked for, and the most that ran."""

    target: int
    peak: int


class Requests(msgspec.Struct, kw_only=True):
    """Requests: all of the run, and per second over the steady part."""

    total: int
    failed: int
    rate: float
    unanswered: int = 0
    """Of `failed`, those that got no answer: they timed out, or were in flight when their user was stopped."""


class InFlight(msgspec.Struct, kw_only=True):
    """Requests that had been sent and not answered, as counted at the end of each second of the steady part."""

    peak: int
    """The most at one time."""
    oldest_ms: float | None
    """How long the one that waited longest had been waiting then, if it was a second or more; None where none had been."""
    endpoint: str | None
    """That one's, as METHOD NAME."""


class ExceptionResult(msgspec.Struct, kw_only=True):
    """An exception that users' code let through: of which class, where, and how often in the whole run."""

    user_class: str
    type: str
    message: str
    place: str
    line: str
    count: int


class ErrorResult(msgspec.Struct, kw_only=True):
    """An error of requests: at which endpoint, and how often in the whole run; both names are empty for what has no endpoint."""

    method: str
    name: str
    error: str
    count: int
    first_s: float
    """When it was first reported, in seconds of the run."""


class Latency(msgspec.Struct, kw_only=True):
    """Latency in ms over the steady part; None where nothing was measured."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p999: float | None
    max: float | None


class Missed(msgspec.Struct, kw_only=True):
    """Arrivals of the open model that were due and not started, in the whole run.

    Those that found no user free at a fit worker are the target's, which kept the users busy; all others are the generator's.
    """

    total: int | None
    """All of them; None where it is not known how many were lost."""
    no_free_user: int
    while_unfit: int
    """Found no user free at a worker that was not fit."""
    given_up: int
    """Given up by a worker that was far too late itself."""
    lost: int | None
    """Dealt to a worker that never reported them; None where that is not known."""


class ClassLoad(msgspec.Struct, kw_only=True):
    """The arrivals of one user class, likewise; nobody knows of what class those were that were lost."""

    user_class: str
    started: int
    late: int
    missed: Missed
    lateness_ms: Latency


class Load(msgspec.Struct, kw_only=True):
    """The load that was offered. `model` is closed (users wait for answers) or open (arrivals come as scheduled).

    Counts are of the whole run, so that started and missed add up to offered; rates and lateness are of the steady part. All is null
    in the closed model.
    """

    model: str
    offered: int | None = None
    """Arrivals that were due by the schedule."""
    started: int | None = None
    missed: Missed | None = None
    late: int | None = None
    """Of those started, the ones that a worker looked at too late by a fault of its own."""
    offered_per_s: float | None = None
    started_per_s: float | None = None
    lateness_ms: Latency | None = None
    """How much later than due arrivals started."""
    start_skew_ms: float | None = None
    """By how much a worker's start of the schedule may be off, since its clock is known to no less an error."""
    user_classes: list[ClassLoad] = []


class TargetFigures(msgspec.Struct, kw_only=True):
    """What the target's process used in the steady part where it ran on the controller's machine, and what it counted of its cache."""

    cpu_percent_mean: float | None
    """Of one core."""
    cpu_percent_max: float | None
    memory_start_bytes: int | None
    """Resident memory."""
    memory_end_bytes: int | None
    memory_peak_bytes: int | None
    memory_growth_bytes: int | None
    """From the start to the end of the steady part."""
    cache_hits: int | None
    cache_misses: int | None
    cache_hit_share: float | None
    """From 0 to 1."""


class DataResult(msgspec.Struct, kw_only=True):
    """What became of the rows of one table of the scenario's data, in the whole run."""

    name: str
    use: str
    at_end: str | None
    """Null where rows have no end."""
    rows: int
    taken: int
    """How often users took a row."""
    used: int | None
    """Rows that were given to a user; null where they are not unique."""
    unsure: int | None
    """Rows that workers held which were lost, or sent no final report: used or not, nobody else got them; null as `used`."""
    waits: int
    """How many takes had to wait for a lease."""
    longest_wait_ms: float
    timeouts: int
    """How many waited in vain, and raised an exception in the user's code."""
    stopped_users: int
    """Users that were stopped since all rows were used."""
    ended_s: float | None
    """When a user first found all rows used, in seconds of the run; null when none did."""


class EndpointResult(msgspec.Struct, kw_only=True):
    """One endpoint: requests of the whole run; rate per second, and times in ms, of the steady part."""

    method: str
    name: str
    total: int
    failed: int
    rate: float
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    service_time_ms: Latency | None = None
    """From requests' actual start, where the figures above have the wait for a free user in them."""


class ThresholdResult(msgspec.Struct, kw_only=True):
    """One rule on the target: `observed` in base units (ms, share, 1/s), `observed_text` as people read it.

    `ok` is null where it is unknown whether the rule holds; `message` says why.
    """

    rule: str
    observed: float | None
    observed_text: str
    ok: bool | None
    message: str

    @property
    def without_data(self) -> bool:
        """Whether nothing was measured that it could be judged by; then it is not ok."""
        return self.observed_text == NO_DATA


class ValidityResult(msgspec.Struct, kw_only=True):
    """One rule on the generator; `nodes` are the offenders by name, whether or not the fleet as a whole was fit.

    `ok` is null where nobody can know, since no node has a sensor for it, and none is a Raspberry Pi, which should; or where
    a fault of piswarm's own kept it from being known.
    """

    check: str
    limit: str
    observed: str
    ok: bool | None
    nodes: list[str]
    message: str
    fault: bool = False
    """Whether it is unknown by a fault of piswarm's own; then the verdict is not PASS."""

    @property
    def without_data(self) -> bool:
        """Whether nothing was measured that it could be judged by; then it is not ok."""
        return self.observed == NO_DATA


class Excluded(msgspec.Struct, kw_only=True):
    """A node that was not fit to measure for some of the steady part: when, why, and how many requests were excluded for it."""

    node: str
    seconds: int
    requests: int
    reasons: dict[str, int]
    """Seconds by reason; one second may have several."""
    spans_s: list[tuple[int, int]]
    """The seconds of the run, each span from its first to the one after its last; the first few spans."""
    further_spans: int


class ClockOffset(msgspec.Struct, kw_only=True):
    """A node whose wall clock was off by more than a second at the end, positive when ahead. No figure depends on it."""

    node: str
    offset_s: float


class Gap(msgspec.Struct, kw_only=True):
    """A span in which the run had no controller, in seconds since it began. Its requests are counted, as far as reported."""

    from_s: float
    to_s: float


class Versions(msgspec.Struct, kw_only=True):
    """What made the result."""

    piswarm: str
    locust: str
    python: str


class Result(msgspec.Struct, kw_only=True):
    """The outcome of one run. `verdict` is PASS, FAIL, INVALID or ABORTED; `reason` says why in one sentence."""

    schema: str = SCHEMA
    run_id: str
    scenario: str
    verdict: str
    reason: str
    started_at: str
    """Wall clock at the beginning, ISO 8601 with offset; for display only."""
    duration_s: float
    steady_s: float
    gaps: list[Gap]
    target: str
    nodes: Nodes
    users: Users
    load: Load = msgspec.field(default_factory=lambda: Load(model="closed"))
    requests: Requests
    latency_ms: Latency
    """In the open model with the time for which an arrival waited for a free user; how late the worker itself was is in none."""
    service_time_ms: Latency | None = None
    """Of the same requests, from their actual start; as `latency_ms` in the closed model."""
    target_figures: TargetFigures | None = None
    """Null where nothing is known of the target beside its answers."""
    endpoints: list[EndpointResult]
    thresholds: list[ThresholdResult]
    validity: list[ValidityResult]
    excluded_share: float
    excluded: list[Excluded]
    """The nodes whose requests make up that share, the longest unfit first."""
    latency_failed_ms: Latency | None = None
    """Latency of failures in the steady part. `latency_ms` is without them, but for requests that got no answer, which are in
    it with their age. Thresholds take the worse of `latency_ms` and both together."""
    in_flight: InFlight | None = None
    errors: list[ErrorResult] = []
    """The most frequent ones; run.db has the others."""
    further_errors: int = 0
    """How many different ones there are besides."""
    exceptions: list[ExceptionResult] = []
    """The most frequent ones; run.db has the others."""
    further_exceptions: int = 0
    """How many different ones there are besides."""
    latency_all_ms: Latency
    """As `latency_ms`, with the requests measured by unfit nodes counted in."""
    generator_lag_ms: Latency
    """How late the workers' event loops looked while they were fit: no more than this can be in a latency beside the target's time."""
    clocks_off: list[ClockOffset]
    dropped_messages: dict[str, int]
    """Messages and connections that the controller's port turned away, by reason."""
    unreported_workers: list[str]
    """Workers whose final report never came: what they measured last is missing from the totals."""
    versions: Versions
    data: list[DataResult] = []
    """Tables of rows that users took; none where the scenario has no data."""
    warnings: list[str] = []
    """What a reader should know, with what to do about it: what of the operator's input is not used, or not as Locust does;
    endpoint names with ids in them; latencies that can't be."""
    faults: list[str] = []
    """What is unknown by a fault of piswarm's own, or since run.db can't be read, and why. Where the verdict rests on it, it is
    not PASS."""

    def write(self, path: Path) -> None:
        """Write as indented JSON. Raises OSError when `path` can't be written."""
        content = msgspec.json.encode(for_json(msgspec.to_builtins(self)))
        atomic_write_public(path, msgspec.json.format(content, indent=2) + b"\n")


def for_json(value: Any) -> Any:
    """`value` without what JSON or its readers can't hold: the nearest they can, and null for what is no number."""
    made = value
    match value:
        case dict():
            made = {for_json(key): for_json(one) for key, one in value.items()}
        case list() | tuple():
            made = [for_json(one) for one in value]
        case str():
            made = value.encode(errors="replace").decode()  # half of a surrogate pair becomes a question mark
        case float():
            made = None if math.isnan(value) else min(max(value, -sys.float_info.max), sys.float_info.max)
        case int() if not isinstance(value, bool):
            made = min(max(value, -_LARGEST), _LARGEST)
    return made
