"""The threshold `cache_hits`, by what the target itself has counted. Pure."""

from __future__ import annotations

from master.judge.run_facts import CacheCounts
from master.judge.target.thresholds import ThresholdOutcome, judged_outcome, unknown_outcome
from master.scenario.rules import Threshold


def cache_outcome(threshold: Threshold, cache: CacheCounts | None) -> ThresholdOutcome | None:
    """The outcome of a rule on cache hits, by the `cache` counts of the steady part; None where the rule is on something else."""
    if threshold.metric != "cache_hits":
        return None
    if cache is None:
        return unknown_outcome(threshold, "since the target has no counters of cache hits and misses")
    if cache.hit_share is None:
        return unknown_outcome(threshold, "since nothing was looked up in the target's cache in the steady part")
    return judged_outcome(threshold, cache.hit_share)
