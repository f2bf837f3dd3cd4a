"""Whether a threshold on latency came out as it did because of the target, or perhaps only because of the generator. Pure.

What is measured is T + E, the target's time and what the generator added, which is never below 0: by sending late, and with
clients other than worker.http by reading late. So a `p95 < 50 ms` that holds does hold, while one that is broken by a little
may be the generator's doing; so with service times. (How late a worker was for an arrival of the open model is in neither.) How much of it may be follows from the lag of the fit seconds, whose distribution is known from
probes at fixed times, as if one more request had been on its way then. By the union bound, for any split of the tail,

    q(T + E, p) <= q(T, p1) + q(E, p2)        where (1 - p1) + (1 - p2) = 1 - p

With nine tenths of the tail left to T, the target's own percentile (a little above p) is at least what was measured less
the percentile of the lag that leaves a tenth of the tail: less its p99.9 for a p99.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from master.judge.generator.validity import ValidityOutcome
from master.judge.target.thresholds import ThresholdOutcome
from master.scenario.rules import Threshold
from master.scenario.units import format_latency
from worker.load.histogram import Histogram

_LAG_S_PART_OF_TAIL = 0.1


def check_threshold_margin(
    thresholds: Sequence[Threshold], outcomes: Iterable[ThresholdOutcome], lag: Histogram
) -> ValidityOutcome:
    """The check `doubtful_thresholds`: none whose outcome the generator's `lag` in its fit seconds could have turned."""
    doubtful = []
    for rule, outcome in zip(thresholds, outcomes, strict=True):
        if rule.percent is None or outcome.observed is None:
            continue
        max_ms = lag_in(rule.percent, lag)
        if rule.holds(outcome.observed) != rule.holds(max(0.0, outcome.observed - max_ms)):
            shown = format_latency(float(f"{max_ms:.3g}"))
            doubtful.append(f"{rule.text} was {outcome.observed_text}, up to {shown} of it the generator's own lag")
    return ValidityOutcome(
        "doubtful_thresholds", "0", str(len(doubtful)), len(doubtful), ok=not doubtful, message="; ".join(doubtful)
    )


def lag_in(percent: float, lag: Histogram) -> float:
    """How much of a latency percentile may be the generator's lag, in ms; 0 when nothing is known of that."""
    return lag.percentile(100 - (100 - percent) * _LAG_S_PART_OF_TAIL) or 0.0
