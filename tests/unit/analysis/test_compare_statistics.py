"""Comparing runs of which the truth is known: no alarm where there is no difference, and each that matters found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from simulated_runs import SimulatedTarget, simulated_run

from master.analysis.compare.blocks import automatic_length, block_length, draw_weights, shortfall
from master.analysis.compare.cells import cut
from master.analysis.compare.decide import Interval, outcome
from master.analysis.compare.estimates import log_percentiles
from master.analysis.compare.figures import ComparedCells, compare_cells
from master.judge.result import Change, Floors
from master.store import RequestRow
from worker.load.histogram import EndpointStats, Histogram

RATES_PER_S = (1.0, 4.0, 16.0, 40.0)
NO_FLOORS = Floors(share=0.0, latency_ms=0.0, error_share=0.0)


def outcomes(found: ComparedCells) -> dict[str, Change]:
    """What became of each figure that is better or worse, by endpoint and metric."""
    return {
        f"{row.name} {metric}": figure.outcome
        for row in (found.overall, *found.endpoints)
        for metric, figure in row.figures.items()
        if figure.outcome in {"better", "worse"}
    }


def compared(seed: int, before: SimulatedTarget, after: SimulatedTarget, seconds: int, floors: Floors) -> ComparedCells:
    """Two runs of so many seconds, compared."""
    dice = np.random.default_rng(seed)
    return compare_cells(
        simulated_run(before, seconds, dice), simulated_run(after, seconds, dice), floors, resamples=400
    )


def test_seconds_that_depend_on_each_other_need_longer_blocks() -> None:
    """The length of blocks is 1 for what does not change, small for independent values, and grows with autocorrelation."""
    dice = np.random.default_rng(1)
    steps = dice.normal(size=2000)
    slow = np.zeros(2000)
    for index in range(1, 2000):
        slow[index] = 0.9 * slow[index - 1] + steps[index]
    assert automatic_length(np.ones(100)) == 1
    assert automatic_length(steps) < 10
    # (1.5 * (2 * 0.9 / (1 - 0.81))**2 * 2000)**(1/3), the length that is best for such a process.
    assert automatic_length(slow) == pytest.approx(64, rel=0.4)


def test_blocks_are_a_thirtieth_to_a_tenth_of_a_run() -> None:
    """However independent its seconds look, or however little, a run is cut into 10 to 30 blocks."""
    dice = np.random.default_rng(2)
    assert block_length([dice.normal(size=300)], 300) == 10
    assert block_length([np.arange(300.0)], 300) == 30


def test_each_resample_draws_as_much_of_each_stage_as_there_is() -> None:
    """Each resample draws as many cells as a run has, and as many of each stage; short stages share a pool."""
    weights = draw_weights([40, 60], 7, 50, np.random.default_rng(3))
    assert weights.shape == (50, 100)
    assert (weights[:, :40].sum(axis=1) == 40).all()
    assert (weights[:, 40:].sum(axis=1) == 60).all()
    assert (weights >= 0).all()
    pooled = draw_weights([10, 5, 100], 7, 50, np.random.default_rng(3))
    assert (pooled[:, :15].sum(axis=1) == 15).all()
    assert pooled[:, :10].sum(axis=1).std() > 0


def test_what_blocks_are_too_short_to_show_is_added_to_the_error() -> None:
    """Values that go on for longer than a block have an error that is larger than resamples show; independent ones have not."""
    dice = np.random.default_rng(4)
    steps = dice.normal(size=300)
    slow = np.zeros(300)
    for index in range(1, 300):
        slow[index] = 0.97 * slow[index - 1] + steps[index]
    weights = draw_weights([300], 10, 400, dice)
    assert shortfall(steps, weights) == 1
    assert shortfall(slow, weights) > 1.5


def test_percentiles_are_those_of_the_histogram_but_for_its_steps() -> None:
    """A percentile is that of the histogram to within a bucket, and moves with each single latency."""
    dice = np.random.default_rng(5)
    histogram = Histogram()
    for latency_ms in dice.lognormal(3, 0.5, 5000):
        histogram.add(float(latency_ms))
    buckets = np.array(sorted(histogram.buckets))
    counts = np.array([[histogram.buckets[int(bucket)] for bucket in buckets]], dtype=float)
    percents = [1.0, 50.0, 90.0, 95.0, 99.0, 99.9]
    found = np.exp(log_percentiles(buckets, counts, percents))[0]
    for value, expected in zip(found, histogram.percentiles(percents), strict=True):
        assert expected is not None
        assert value == pytest.approx(expected, rel=0.011)
    one_more = counts.copy()
    one_more[0, -1] += 1
    assert np.exp(log_percentiles(buckets, one_more, [50.0]))[0, 0] > found[1]
    assert math.isnan(log_percentiles(buckets, 0 * counts, [50.0])[0, 0])


def tally(*latencies_ms: float, failed: int = 0) -> EndpointStats:
    """A tally of these latencies."""
    histogram = Histogram()
    for latency_ms in latencies_ms:
        histogram.add(latency_ms)
    return EndpointStats(len(latencies_ms), failed, 0, histogram)


def test_the_steady_part_is_cut_into_cells_within_its_stages() -> None:
    """Cells have the steady seconds alone, none reaches over a gap or into another stage, and unfit nodes' latencies are left out."""
    steady = [(second, "1 hold") for second in range(10, 15)] + [(second, "2 hold") for second in range(20, 24)]
    rows = [RequestRow(second, ("GET", "/x"), tally(5.0), True, 1) for second in range(30)]
    rows.insert(11, RequestRow(10, ("GET", "/x"), tally(900.0), False, 1))
    found = cut(steady, rows, max_cells=5)
    assert found.cell_s == 2
    assert found.segments == [3, 2]
    assert found.lengths_s.tolist() == [2, 2, 1, 2, 2]
    assert found.overall.total.tolist() == [3, 2, 1, 2, 2]
    assert found.overall.counts.sum() == 9


def test_cells_are_as_wide_as_what_was_thinned() -> None:
    """Where a run is kept by the minute, a cell is a minute, also for what is kept by the second."""
    steady = [(second, "1 hold") for second in range(180)]
    rows = [RequestRow(second, ("GET", "/x"), tally(5.0), True, 1) for second in range(60)]
    rows += [RequestRow(second, ("GET", "/x"), tally(5.0, 6.0), True, 60) for second in (60, 120)]
    found = cut(steady, rows)
    assert found.cell_s == 60
    assert found.overall.total.tolist() == [60, 2, 2]


def test_a_change_counts_when_it_is_certain_and_large_enough_to_matter() -> None:
    """A figure is better or worse when no change is outside of its interval, and the change itself beyond the floors."""
    floors = Floors()
    for metric, change, low, high, difference_ms, expected in (
        ("p95", 0.12, 0.08, 0.16, 3.0, "worse"),
        ("p95", -0.12, -0.16, -0.08, -3.0, "better"),
        ("p95", 0.12, -0.01, 0.25, 3.0, "same"),
        ("p95", 0.04, 0.03, 0.05, 3.0, "same"),
        ("p95", 0.12, 0.08, 0.16, 0.1, "same"),
        ("rate", -0.12, -0.16, -0.08, None, "worse"),
        ("rate", 0.12, 0.08, 0.16, None, "better"),
        ("errors", 0.01, 0.005, 0.015, None, "worse"),
        ("errors", 0.0005, 0.0001, 0.0009, None, "same"),
    ):
        assert outcome(metric, Interval(change, low, high), difference_ms, floors) == expected


def test_runs_of_the_same_raise_no_alarm() -> None:
    """Of 60 pairs of runs of the same target, whose seconds depend on each other, at most 5 % have any figure that differs."""
    target = SimulatedTarget(RATES_PER_S, autocorrelation=0.8)
    alarms = [bool(outcomes(compared(seed, target, target, 120, NO_FLOORS))) for seed in range(60)]
    assert sum(alarms) <= 3


def test_runs_of_the_same_raise_no_alarm_where_one_state_lasts_for_long() -> None:
    """So where the target's state goes on for as long as much of the run: what blocks can't show widens the intervals."""
    target = SimulatedTarget(RATES_PER_S, autocorrelation=0.95)
    alarms = [bool(outcomes(compared(seed, target, target, 120, NO_FLOORS))) for seed in range(60)]
    assert sum(alarms) <= 3


def test_an_endpoint_that_got_slower_by_a_tenth_is_found_and_named() -> None:
    """A slowdown of one endpoint by 10 % is found in at least 95 % of 40 pairs of runs of ten minutes, and nothing but it is named."""
    before = SimulatedTarget(RATES_PER_S, autocorrelation=0.8, wander=0.05)
    after = SimulatedTarget(RATES_PER_S, autocorrelation=0.8, wander=0.05, slower={2: 1.1})
    found = [outcomes(compared(seed, before, after, 600, Floors())) for seed in range(40)]
    assert sum("/2 p50" in each or "/2 p90" in each for each in found) >= 38
    others = [key for each in found for key in each if not key.startswith(("/2 ", " "))]
    assert len(others) <= 2


def test_the_same_runs_give_the_same_comparison() -> None:
    """A comparison is the same each time that it is made."""
    target = SimulatedTarget(RATES_PER_S)
    assert compared(1, target, target, 60, Floors()) == compared(1, target, target, 60, Floors())
