"""result.json: the outcome of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from master.judge.result.comparison import Comparison
from master.judge.result.data import DataResult
from master.judge.result.fleet import ClockOffset, Excluded, Nodes
from master.judge.result.json_values import for_json
from master.judge.result.latency import Latency
from master.judge.result.load import Load, Users
from master.judge.result.requests import EndpointResult, ErrorResult, ExceptionResult, InFlight, Requests
from master.judge.result.rules import ThresholdResult, ValidityResult
from master.judge.result.soak import Soak
from master.judge.result.target import TargetFigures
from worker.atomic_write import atomic_write_public

VerdictName = Literal["PASS", "FAIL", "INVALID", "ABORTED"]
Schema = Literal["piswarm/result/2"]
SCHEMA: Schema = get_args(Schema)[0]


class Gap(msgspec.Struct, kw_only=True):
    """A span in which the run had no controller, in seconds since it began. Its requests are counted, as far as reported."""

    from_s: float
    to_s: float


class ThinnedPart(msgspec.Struct, kw_only=True):
    """How far run.db is thinned: what is earlier than these seconds of the run is kept by the minute."""

    requests_before_s: int
    samples_before_s: int
    span_s: int
    """No span of thinned seconds is longer."""
    late_requests: int
    """Requests that were reported when their second was thinned already: they are counted, but are in no window of a threshold."""


class Versions(msgspec.Struct, kw_only=True):
    """What made the result."""

    piswarm: str
    locust: str
    python: str


class Result(msgspec.Struct, kw_only=True):
    """The outcome of one run."""

    schema: Schema = SCHEMA
    run_id: str
    scenario: str
    """Its name."""
    verdict: VerdictName
    reason: str
    """Why the verdict is what it is, in one sentence."""
    started_at: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
    """Wall clock at the beginning, ISO 8601 with offset; for display only."""
    duration_s: float
    """Of the whole run, from the first users' order to the end of the last."""
    steady_s: float
    """Of the part that is judged."""
    gaps: list[Gap]
    thinned: ThinnedPart | None = None
    """What run.db keeps no more second by second; null where it has every second. No figure of the result is changed by it."""
    target: str
    """Its URL."""
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
    soak: Soak | None = None
    """Whether anything drifted; null where the scenario does not ask for it."""
    excluded_share: float | None
    """Of the requests of the steady part, from 0 to 1, those that nodes have measured while they were unfit; null without any."""
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
    comparison: Comparison | None = None
    """With the run that `--baseline` names; null without it."""
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
