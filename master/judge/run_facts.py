"""What a run knows of itself beyond what is in run.db."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from master.judge.project_outcome import ProjectOutcome
from master.judge.result import DataResult
from master.judge.target.thresholds import ThresholdOutcome


class CacheCounts(NamedTuple):
    """Look-ups in the target's caches by the target's own counters."""

    hits: int
    misses: int

    @property
    def hit_share(self) -> float | None:
        """The share (0 to 1) of look-ups that found what they looked for; None without any."""
        looked_up = self.hits + self.misses
        return self.hits / looked_up if looked_up else None


@dataclass(frozen=True)
class RunFacts:
    """What the run knows of itself beyond what is in run.db."""

    run_id: str
    started_at: datetime
    duration_s: float
    target: str
    steady_seconds: Sequence[int]
    users_peak: int
    nodes_peak: int
    nodes_lost: int
    nodes_quarantined: int
    ready_s: float | None
    """How long the fleet took to be ready, in seconds; None when it never was."""
    simulated: bool
    slowed: bool
    """Whether simulated nodes were slowed by what requests would cost on their boards."""
    gaps: Sequence[tuple[float, float]]
    """When the run had no controller, in seconds since it began."""
    clocks_off: Mapping[str, float]
    """Nodes whose wall clock is off by more than a second, and by how many seconds it is ahead."""
    dropped_messages: dict[str, int]
    unreported_workers: list[str]
    locust_version: str
    silent_classes: Sequence[str] = ()
    """User classes whose users ran and never made a request."""
    broken_rule: ThresholdOutcome | None = None
    """The rule with `abort` that ended the run, as it stood then."""
    aborted: str | None = None
    """Why the run ended before its time, None when it did not; a broken `abort` rule is no such reason."""
    ended_early: bool = False
    """Whether it ended before its time for whatever reason, also in order."""
    warnings: Sequence[str] = ()
    """Warnings on the input that the operator got at the start."""
    offered: int | None = None
    """Arrivals that the schedule of the open model had due up to the end of the load; None in the closed model, or when unknown."""
    start_skew_s: float | None = None
    """By how much a worker's start of that schedule may be off, in seconds; None in the closed model, or when unknown."""
    data: Sequence[DataResult] = ()
    """What became of data rows."""
    cache: CacheCounts | None = None
    """What the target counted of its cache in the steady part; None when it does not say."""
    project: ProjectOutcome | None = None
    """What the master side of the Locust project has to say; None without one."""
