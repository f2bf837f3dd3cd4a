"""The parts of a soak's verdict: blocks, saw-tooth, heat and time of day, the tests, false discovery."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from master.analysis.soak.adjustment import DAY_S, adjust
from master.analysis.soak.autoregression import table_of
from master.analysis.soak.blocks import MAX_BLOCKS, WANTED_BLOCKS, divide, longest_hold
from master.analysis.soak.discovery import adjust as adjust_p
from master.analysis.soak.drift import drifts_of
from master.analysis.soak.fit import fit
from master.analysis.soak.mann_kendall import rising
from master.analysis.soak.saw_tooth import floor_of
from master.analysis.soak.series import Floats, Series

TIMES_S = 600 * (np.arange(100) + 0.5)
SPAN_S = 60_000.0


def noise(seed: int, count: int = 100) -> Floats:
    return np.random.default_rng(seed).standard_normal(count)


@pytest.mark.parametrize(
    ("hold_s", "warm_up_s", "length_s"),
    [
        (297, 65, 8),  # five minutes: a fifth of it, and what makes whole blocks
        (3600, 720, 120),
        (86_390, 2390, 600),  # a day: half an hour, and what makes whole blocks
        (3 * 86_400, 1800, 1800),
        (31 * 86_400, 18_600, 18_600),
    ],
)
def test_blocks_grow_with_the_hold(hold_s: int, warm_up_s: int, length_s: int) -> None:
    """There are enough of them in a short hold, and not too many in a long one."""
    blocks = divide((10, 10 + hold_s))
    assert blocks is not None
    assert (blocks.start_s - 10, blocks.length_s) == (warm_up_s, length_s)
    assert WANTED_BLOCKS <= blocks.count <= MAX_BLOCKS
    assert blocks.end_s == 10 + hold_s


def test_a_hold_of_two_minutes_has_no_blocks() -> None:
    assert divide((0, 140)) is None
    assert divide((0, 0)) is None


def test_a_block_has_two_samples_at_least() -> None:
    """Where samples are rare, blocks are long."""
    blocks = divide((0, 600), sample_period_s=30)
    assert blocks is not None
    assert blocks.length_s == 60


def test_the_longest_hold_is_looked_at() -> None:
    """Another stage has another load, and a ramp is no hold."""
    rows = [
        *((second, "1 ramp", False) for second in range(10)),
        *((second, "1 hold", True) for second in range(10, 40)),
        *((second, "2 hold", True) for second in range(40, 100)),
        *((second, "3 hold", True) for second in range(100, 120)),
    ]
    assert longest_hold(rows) == (40, 100)
    assert longest_hold([]) == (0, 0)


def test_a_saw_tooth_counts_by_what_it_falls_back_to() -> None:
    """What came before its first fall is not known to be a floor."""
    values = np.array([5.0, 6, 7, 8, 1, 2, 3, 4, 5, 6, 2, 3, 4, 5, 6])
    floor = floor_of(values)
    assert np.isnan(floor[:4]).all()
    assert floor[4:].tolist() == [1.0] * 6 + [2.0] * 5


def test_memory_that_only_varies_is_left_as_it_is() -> None:
    """A single fall is no saw either: something was closed."""
    values = noise(1)
    assert floor_of(values) is values
    step = np.where(np.arange(100) < 50, 10.0, 2.0) + 0.1 * noise(2)
    assert floor_of(step) is step


def test_heat_that_moves_with_memory_is_taken_out() -> None:
    """And the leak that is besides stays whole, though the node gets hotter all the time."""
    heat_c = 50 + np.linspace(0, 20, 100) + noise(3)
    values = 100 + 3 * heat_c + 0.01 * np.arange(100)
    found = adjust(TIMES_S, values, heat_c, SPAN_S)
    slope = np.polyfit(found.times_s, found.values, 1)[0]
    assert slope * 600 == pytest.approx(0.01)


def test_a_daily_rhythm_is_taken_out_of_a_day() -> None:
    """The half wave that is left over in a day and a half would be a drift."""
    times_s = 600 * (np.arange(200) + 0.5)
    values = 5 * np.sin(2 * np.pi * times_s / DAY_S) + np.cos(4 * np.pi * times_s / DAY_S)
    found = adjust(times_s, values, None, 120_000)
    assert np.ptp(found.values) < 1e-9


def test_an_outage_does_not_bend_the_slope() -> None:
    """Five blocks of a hundred are a thousand times as slow."""
    values = 10 + 0.1 * np.arange(100) + 0.1 * noise(4)
    values[90:95] = 10_000
    found = fit(Series("all requests", values), TIMES_S, SPAN_S)
    assert found is not None
    assert found.slope * 600 == pytest.approx(0.1, rel=0.03)


def test_what_has_come_to_rest_does_not_last() -> None:
    """A cache that has filled is no leak."""
    filling = fit(Series("target", 100 * (1 - np.exp(-np.arange(100) / 12)) + 0.1 * noise(5)), TIMES_S, SPAN_S)
    leaking = fit(Series("target", np.arange(100) + noise(6)), TIMES_S, SPAN_S)
    assert filling is not None
    assert leaking is not None
    assert (filling.lasting, leaking.lasting) == (False, True)


def test_a_series_with_few_known_blocks_is_unknown() -> None:
    """As that of a node that was lost in the first half."""
    values = noise(7)
    values[60:] = np.nan
    assert drifts_of([Series("node001", values)], TIMES_S, SPAN_S) == [None]
    values[:80] = noise(8, 80)
    assert drifts_of([Series("node001", values)], TIMES_S, SPAN_S) != [None]


def test_what_never_changes_does_not_drift() -> None:
    """As errors that never occur; nothing is divided by their variance."""
    (drift,) = drifts_of([Series("all requests", np.zeros(100))], TIMES_S, SPAN_S)
    assert drift is not None
    assert (drift.per_day, drift.p_value, drift.half_width_per_day) == (0.0, 1.0, 0.0)


def test_the_test_is_exact_without_autocorrelation() -> None:
    """Of 400 series each tested by itself no more than chance has it are below 5 %."""
    drifts = [drifts_of([Series("", noise(seed))], TIMES_S, SPAN_S)[0] for seed in range(100, 500)]
    below = sum(drift is not None and drift.p_value < 0.05 for drift in drifts)
    assert below < 32  # 20 are expected; more than 31 in less than one of a hundred tries


def test_mann_and_kendall_is_not_surer_than_plain_kendall() -> None:
    """And hardly less sure of independent values: only what autocorrelation they show by chance makes a difference."""
    values = noise(9) + 0.01 * np.arange(100)
    expected = stats.kendalltau(np.arange(100), values, alternative="greater", method="asymptotic").pvalue
    assert expected * 0.9 < rising(values, 0.01 / 600, TIMES_S) < 0.01


def test_mann_and_kendall_is_less_sure_of_values_that_resemble_each_other() -> None:
    values = np.repeat(noise(10, 20).cumsum(), 5)
    plain = stats.kendalltau(np.arange(100), values, method="asymptotic").pvalue
    assert min(rising(values, 0.0, TIMES_S), rising(-values, 0.0, TIMES_S)) > plain


def test_autocorrelation_is_found_as_it_is_though_residuals_show_less() -> None:
    """By the table that is worked out exactly, for a line through 100 blocks."""
    table = table_of(np.ones((100, 1)), np.arange(100) - 49.5)
    for true, seen in ((0.0, -0.02), (0.8, 0.75)):
        assert table.true_of(seen) == pytest.approx(true, abs=0.02)
    error, freedom = table.at(0.0)
    assert error == pytest.approx(1)
    assert freedom == pytest.approx(98)


def test_false_discovery_is_controlled_as_by_scipy() -> None:
    p_values = np.random.default_rng(11).uniform(size=50) ** 3
    assert adjust_p(p_values) == pytest.approx(stats.false_discovery_control(p_values))
