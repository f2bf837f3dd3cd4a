"""A run beside its baseline: what of the target's figures differs, and whether that is more than chance."""

from __future__ import annotations

from typing import Literal

import msgspec

Change = Literal["better", "same", "worse", "unknown"]
"""What became of a figure, or of all of them. A figure is unknown where too little was measured, a comparison where the runs can't be
compared."""


class ComparedRun(msgspec.Struct, kw_only=True):
    """One of the two runs."""

    run_id: str
    started_at: str
    verdict: str
    target: str
    steady_s: float
    piswarm: str


class ComparedFigure(msgspec.Struct, kw_only=True):
    """A figure in both runs. Its unit is in the name of what holds it; `change` and its bounds are shares (0.1 is 10 % more).

    Of `error_share` they are the plain difference. The true change of all figures of a comparison together lies between their
    bounds with its `confidence`. All is null that is not known.
    """

    baseline: float | None
    run: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    outcome: Change
    unknown_because: str = ""
    """Why the outcome is unknown."""


class ComparedEndpoint(msgspec.Struct, kw_only=True):
    """One endpoint in both runs, over their steady parts; latencies of requests that did not fail, measured by fit nodes."""

    method: str
    name: str
    baseline_requests: int
    run_requests: int
    rate_per_s: ComparedFigure
    error_share: ComparedFigure
    p50_ms: ComparedFigure
    p90_ms: ComparedFigure
    p95_ms: ComparedFigure
    p99_ms: ComparedFigure
    baseline_distribution_ms: list[float | None]
    """The latency at each of the comparison's `distribution_percents`; empty without any."""
    run_distribution_ms: list[float | None]

    @property
    def figures(self) -> dict[str, ComparedFigure]:
        """Its figures by the words that thresholds have for them."""
        return {
            "rate": self.rate_per_s,
            "errors": self.error_share,
            "p50": self.p50_ms,
            "p90": self.p90_ms,
            "p95": self.p95_ms,
            "p99": self.p99_ms,
        }


class Floors(msgspec.Struct, kw_only=True, frozen=True):
    """The least difference that matters, however certain it is. Smaller ones count as the same.

    Two runs of the same differ by more than what either shows of itself: caches, the order of things, other work of a machine.
    """

    share: float = 0.05
    """Of rates and latencies."""
    latency_ms: float = 0.2
    """Of latencies, beside `share`: about what a node's clock and the kernel add to short ones."""
    error_share: float = 0.001
    """Of the share of failed requests."""


class ComparisonMethod(msgspec.Struct, kw_only=True):
    """How it was worked out."""

    confidence: float
    """With which all intervals hold together, and no figure is called better or worse that is the same."""
    floors: Floors
    figures: int
    """How many were judged together."""
    resamples: int
    baseline_block_s: float
    """The length of blocks that were drawn from each run's time: within one, seconds depend on each other."""
    run_block_s: float


class Comparison(msgspec.Struct, kw_only=True):
    """A run beside its baseline."""

    baseline: ComparedRun
    run: ComparedRun
    outcome: Change
    reason: str
    """In one sentence."""
    not_comparable: list[str]
    """Why the runs can't be compared; then there are no figures."""
    notes: list[str]
    """What else differs between the runs, which may be the cause of what is found."""
    method: ComparisonMethod | None
    distribution_percents: list[float]
    overall: ComparedEndpoint | None
    """All requests together."""
    endpoints: list[ComparedEndpoint]
    only_in_baseline: list[str]
    """Endpoints that only one of the runs asked for in its steady part, as METHOD NAME."""
    only_in_run: list[str]
