"""Poisson arrivals: exact totals, exponential gaps, independent windows, and the same due times for everybody who asks."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.load.arrivals.order_statistics import OrderStatistics
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.wire.work import ArrivalPlan, RateSegment

SEEDS = (0, 1, 20261127, -5, 1 << 63)


def poisson(*segments: RateSegment, seed: int) -> ArrivalSchedule:
    return ArrivalSchedule(ArrivalPlan([*segments], seed))


def steady(per_s: float, duration_s: float, seed: int) -> ArrivalSchedule:
    return poisson(RateSegment(duration_s, per_s, per_s, 0, poisson=True), seed=seed)


def all_due_s(arrivals: ArrivalSchedule) -> list[float]:
    return [arrivals.due_s(number) for number in range(arrivals.total)]


def kolmogorov_smirnov(values: Sequence[float], cdf: Callable[[float], float]) -> float:
    """The greatest distance of the sample's distribution from `cdf`, times the root of its size: above 1.95 once in 1000 times."""
    count = len(values)
    return math.sqrt(count) * max(
        max(cdf(value) - number / count, (number + 1) / count - cdf(value))
        for number, value in enumerate(sorted(values))
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_gaps_are_exponential(seed: int) -> None:
    """Gaps between arrivals have the exponential distribution of the rate."""
    due_s = all_due_s(steady(1000.0, 20.0, seed))
    gaps_s = [after - before for before, after in pairwise(due_s)]
    assert kolmogorov_smirnov(gaps_s, lambda gap_s: -math.expm1(-1000 * gap_s)) < 1.95


@pytest.mark.parametrize("seed", SEEDS)
def test_a_gap_does_not_depend_on_the_one_before(seed: int) -> None:
    """Gaps next to each other, and two or 16 apart, are not correlated."""
    due_s = all_due_s(steady(1000.0, 20.0, seed))
    gaps_s = [after - before for before, after in pairwise(due_s)]
    mean = sum(gaps_s) / len(gaps_s)
    variance = sum((gap - mean) ** 2 for gap in gaps_s) / len(gaps_s)
    for lag in (1, 2, 16):
        together = sum((a - mean) * (b - mean) for a, b in zip(gaps_s, gaps_s[lag:], strict=False)) / len(gaps_s)
        assert abs(together / variance) < 4 / math.sqrt(len(gaps_s))


@pytest.mark.parametrize("window_s", [0.001, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_index_of_dispersion_is_1_in_windows_of_any_length(window_s: float, seed: int) -> None:
    """The variance of the arrivals of a window is their mean, as of no other process with independent windows."""
    arrivals = steady(400.0, 100.0, seed)
    windows = round(100 / window_s)
    counts = Counter(min(int(due_s / window_s), windows - 1) for due_s in all_due_s(arrivals))
    mean = arrivals.total / windows
    variance = sum((counts[window] - mean) ** 2 for window in range(windows)) / (windows - 1)
    spread = math.sqrt((2 + 1 / mean) / windows)
    assert variance / mean == pytest.approx(1, abs=4 * spread)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_ramp_has_its_arrivals_where_its_rate_is(seed: int) -> None:
    """On a ramp from 0 arrivals are distributed as the square of the time."""
    due_s = all_due_s(poisson(RateSegment(50.0, 0, 400, 0, poisson=True), seed=seed))
    assert len(due_s) == 10_000
    assert kolmogorov_smirnov(due_s, lambda time_s: (time_s / 50) ** 2) < 1.95


@pytest.mark.parametrize(("count", "place"), [(n, k) for n in (1, 2, 3, 4, 5, 8, 13) for k in range(n)])
def test_each_position_has_its_exact_distribution(count: int, place: int) -> None:
    """The k-th of n positions has the distribution of the k-th smallest of n uniform ones."""
    positions = [OrderStatistics(0, count, 0.0, 1.0, seed).position(place) for seed in range(3000)]

    def cdf(x: float) -> float:
        return math.fsum(math.comb(count, k) * x**k * (1 - x) ** (count - k) for k in range(place + 1, count + 1))

    assert kolmogorov_smirnov(positions, cdf) < 1.95


@pytest.mark.parametrize("count", [10**6 + 1, 10**9, 10**12])
def test_the_middle_of_very_many_is_as_near_to_the_middle_as_it_should_be(count: int) -> None:
    """The middle of n positions has a standard deviation of 1 / (2 sqrt(n)), also where n is huge."""
    middle = (count - 1) // 2
    apart = [
        (OrderStatistics(0, count, 0.0, 1.0, seed).position(middle) - 0.5) * 2 * math.sqrt(count)
        for seed in range(4000)
    ]
    assert sum(apart) / len(apart) == pytest.approx(0, abs=4 / math.sqrt(4000))
    assert sum(each * each for each in apart) / len(apart) == pytest.approx(1, abs=4 * math.sqrt(2 / 4000))
    assert kolmogorov_smirnov(apart, lambda x: (1 + math.erf(x / math.sqrt(2))) / 2) < 1.95


@given(st.integers(), st.integers(1, 2000), st.randoms(use_true_random=False))
def test_whoever_asks_in_whatever_order_finds_the_same_due_times(seed: int, count: int, order: random.Random) -> None:
    """Every arrival has the same due time for who asks in order, in any order, or for it alone."""
    arrivals = steady(count / 10, 10.0, seed)
    expected = all_due_s(arrivals)
    shuffled = order.sample(range(arrivals.total), min(arrivals.total, 200))
    assert [arrivals.due_s(number) for number in shuffled] == [expected[number] for number in shuffled]
    for number in shuffled[:20]:
        assert steady(count / 10, 10.0, seed).due_s(number) == expected[number]


@given(st.integers(0, 1 << 64), st.integers(1, 3000), st.lists(st.floats(-0.1, 1.1), max_size=30))
def test_the_number_due_before_a_time_is_found_without_looking_at_all(
    seed: int, count: int, parts: list[float]
) -> None:
    """The number due before any time is that of the due times before it, which never fall."""
    arrivals = steady(count / 10, 10.0, seed)
    due_s = all_due_s(arrivals)
    assert due_s == sorted(due_s)
    for part in parts:
        assert arrivals.count_before(part * 10) == sum(each < part * 10 for each in due_s)


def test_seeds_and_stages_have_due_times_of_their_own() -> None:
    """Another seed gives other due times; stages of one plan are not alike either."""
    first, second = steady(100, 10, 1), steady(100, 10, 2)
    assert sum(first.due_s(number) == second.due_s(number) for number in range(1000)) == 0
    both = poisson(*(RateSegment(10, 100, 100, stage, poisson=True) for stage in (0, 1)), seed=1)
    assert all(abs(both.due_s(number) + 10 - both.due_s(1000 + number)) > 1e-9 for number in range(1000))


def test_due_times_stay_the_same_from_release_to_release() -> None:
    """Nodes of two releases in one run, or a run repeated with a later one, agree on the due times of a seed."""
    arrivals = poisson(RateSegment(10, 0, 100, 0, poisson=True), RateSegment(3600, 1e5, 1e5, 1, poisson=True), seed=42)
    expected_s = {
        0: 0.602664584,
        1: 0.7550943862,
        250: 6.9988029108,
        499: 9.9940547277,
        500: 10.000018929,
        123_456_789: 1244.6491126795,
        360_000_499: 3609.9999787227,
    }
    assert arrivals.total == 360_000_500
    assert {number: arrivals.due_s(number) for number in expected_s} == pytest.approx(expected_s, abs=1e-9)


def test_the_path_that_is_kept_is_short() -> None:
    """One who walks through 10**12 arrivals keeps no more than the 41 intervals that the next one lies in."""
    positions = OrderStatistics(0, 10**12, 0.0, 1e12, 3)
    before = 0.0
    for number in range(0, 10**12, 10**9 + 7):
        position = positions.position(number)
        assert before <= position
        before = position
        assert len(positions._path) <= 41
