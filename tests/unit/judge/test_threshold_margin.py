"""A threshold is in doubt where the generator's lag could have turned it, and nowhere else."""

from __future__ import annotations

import random

import pytest

from master.judge.target.threshold_margin import check_threshold_margin, lag_in
from master.judge.target.thresholds import ThresholdOutcome
from master.scenario import parse_threshold
from worker.load.histogram import Histogram


def histogram(values_ms: list[float]) -> Histogram:
    made = Histogram()
    for value_ms in values_ms:
        made.add(value_ms)
    return made


LAG = histogram([0.5] * 990 + [8.0] * 10)


@pytest.mark.parametrize(
    ("rule", "observed", "doubtful"),
    [
        ("p95 < 50 ms", 49.0, False),  # what holds with the lag holds without it
        ("p95 < 50 ms", 51.0, True),
        ("p95 < 50 ms", 59.0, False),
        ("p99 < 50 ms", 57.0, True),
        ("p50 < 5 ms", 5.2, True),
        ("p50 < 5 ms", 5.6, False),
        ("max < 100 ms", 105.0, True),
        ("p95 > 10 ms", 12.0, True),  # nobody asks for that, but then it is the lag that may make it hold
        ("rate > 10/s", 9.0, False),
        ("errors < 5 %", 0.06, False),
        ("GET /x p95 < 50 ms over 2s", 51.0, True),
    ],
)
def test_a_threshold_is_in_doubt_where_less_of_the_generators_lag_would_turn_it(
    rule: str, observed: float, doubtful: bool
) -> None:
    threshold = parse_threshold(rule)
    outcome = ThresholdOutcome(threshold, observed, "seen", ok=threshold.holds(observed))
    row = check_threshold_margin([threshold], [outcome], LAG)
    assert (row.check, row.ok, row.observed_value) == ("doubtful_thresholds", not doubtful, int(doubtful))
    assert (f"{rule} was seen, up to" in row.message) is doubtful


def test_without_data_nothing_is_in_doubt() -> None:
    """A rule without data is not in doubt, since the lack of data breaks other checks."""
    rule = parse_threshold("p95 < 50 ms")
    assert check_threshold_margin([rule], [ThresholdOutcome(rule, None, "no data", ok=False)], Histogram()).ok
    assert check_threshold_margin([rule], [ThresholdOutcome(rule, 51.0, "51 ms", ok=False)], Histogram()).ok


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("percent", [50, 90, 95, 99, 99.9])
def test_the_targets_own_percentile_is_not_below_what_is_measured_less_the_lag(seed: int, percent: float) -> None:
    """The target's own percentile is not below the measured one less the lag, within the histogram's 1 %."""
    dice = random.Random(seed)
    target = [dice.lognormvariate(2.0, 0.8) for _ in range(20_000)]
    lag = [dice.choice((0.1, 0.3, 1.0, 20.0)) * dice.random() for _ in target]
    measured = histogram([t + e for t, e in zip(target, lag, strict=True)]).percentile(percent)
    own = histogram(target).percentile(100 - (100 - percent) * 0.9)
    assert measured is not None
    assert own is not None
    assert own * 1.02 >= measured - lag_in(percent, histogram(lag)) * 1.02
