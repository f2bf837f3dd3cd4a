"""Thresholds against a baseline, `p95 not worse than baseline by 10 %`, by the comparison of the whole runs. Pure.

Such a rule is broken when the figure is worse by more than the limit and the interval of the difference has no "not worse" in it. It
holds when the figure is not worse by more than the limit. In between, worse by more but perhaps by chance, nobody can know: the runs are
too short, or too restless, for what the rule asks of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from master.analysis.compare.words import change_text, interval_text, signed
from master.judge.result import ComparedEndpoint, ComparedFigure, Comparison
from master.judge.target.thresholds import ThresholdOutcome, unknown_outcome
from master.scenario.rules import Threshold


def baseline_outcome(threshold: Threshold, comparison: Comparison | None) -> ThresholdOutcome | None:
    """The outcome of a rule against the baseline by the `comparison` with it; None where the rule is another."""
    metric = threshold.compared_metric
    if metric is None:
        return None
    if comparison is None:
        return unknown_outcome(threshold, "since the run has not been compared with a baseline")
    if comparison.overall is None:
        return unknown_outcome(threshold, f"since the run can't be compared: {'; '.join(comparison.not_comparable)}")
    row = _row(threshold, comparison, comparison.overall)
    if row is None:
        asked = " ".join(threshold.endpoint or ())
        where = "the baseline alone" if asked in comparison.only_in_baseline else "this run alone"
        if asked not in {*comparison.only_in_baseline, *comparison.only_in_run}:
            where = "neither run"
        return unknown_outcome(threshold, f"since {where} asked for {asked} in the steady part")
    figure = row.figures[metric]
    worse = _worse(metric, figure)
    if worse is None:
        return unknown_outcome(threshold, f"since there were {figure.unknown_because}")
    assert comparison.method is not None  # figures were compared
    return _judge(threshold, figure, worse, comparison.method.floors.latency_ms)


@dataclass(frozen=True, slots=True)
class _Worse:
    """By how much a figure is worse, and is at least, as shares; what is better is below 0."""

    by: float
    at_least: float


def _row(threshold: Threshold, comparison: Comparison, overall: ComparedEndpoint) -> ComparedEndpoint | None:
    if threshold.endpoint is None:
        return overall
    return next((row for row in comparison.endpoints if (row.method, row.name) == threshold.endpoint), None)


def _worse(metric: str, figure: ComparedFigure) -> _Worse | None:
    if figure.change is None or figure.change_low is None or figure.change_high is None:
        return None
    return _Worse(-figure.change, -figure.change_high) if metric == "rate" else _Worse(figure.change, figure.change_low)


def _judge(threshold: Threshold, figure: ComparedFigure, worse: _Worse, latency_ms: float) -> ThresholdOutcome:
    metric = threshold.compared_metric
    assert metric is not None  # the rule is on a change
    text, lies = signed(metric, figure.change), f"the change lies within {interval_text(metric, figure)}"
    message = f"{metric} {change_text(metric, figure)}; {lies}"
    difference_ms = abs((figure.run or 0.0) - (figure.baseline or 0.0))
    if threshold.holds(worse.by):
        return ThresholdOutcome(threshold, worse.by, text, ok=True, message=message)
    if threshold.on_latency and difference_ms <= latency_ms:
        said = f"{message}; a difference of up to {latency_ms:g} ms is not the target's for sure"
        return ThresholdOutcome(threshold, worse.by, text, ok=True, message=said)
    if worse.at_least > 0:
        return ThresholdOutcome(threshold, worse.by, text, ok=False, message=message)
    return ThresholdOutcome(
        threshold, worse.by, text, ok=None, message=f"unknown, {message}: it may be chance; hold the load for longer"
    )
