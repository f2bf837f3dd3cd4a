"""Change points of a series: what is found, and how seldom something is found where nothing has changed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from master.analysis.trend.change_points import (
    LEVEL,
    MIN_VALUES,
    Candidates,
    ChangePoint,
    certain,
    change_points,
    level_of,
    min_stretch,
)

TINY = 1e-9
SERIES = 1200


def correlated(dice: np.random.Generator, length: int, autocorrelation: float) -> np.ndarray:
    """Normal values of variance 1 that depend on each other."""
    values = dice.normal(size=length)
    for index in range(1, length):
        values[index] = autocorrelation * values[index - 1] + math.sqrt(1 - autocorrelation**2) * values[index]
    return values


def drawn(kind: str, dice: np.random.Generator, length: int) -> np.ndarray:
    """A series that has no change."""
    match kind:
        case "normal":
            return dice.normal(size=length)
        case "heavy tails":
            return dice.standard_t(3, size=length)
        case "skewed":
            return dice.exponential(size=length)
        case "steps of a histogram":
            return np.round(dice.normal(size=length))
        case _:
            return correlated(dice, length, 0.3)


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ("normal", LEVEL),
        ("heavy tails", LEVEL),
        ("skewed", 2 * LEVEL),
        ("steps of a histogram", LEVEL),
        ("correlated", 0.05),
    ],
)
@pytest.mark.parametrize("length", [6, 20, 60])
def test_a_series_without_a_change_seldom_has_one(kind: str, most: float, length: int) -> None:
    """No kind of noise makes a change in more series than the module says; three standard errors of the count are allowed for."""
    dice = np.random.default_rng(7)
    false = sum(change_points(list(drawn(kind, dice, length)), TINY).p_value <= LEVEL for _ in range(SERIES))
    assert false <= most * SERIES + 3 * math.sqrt(most * SERIES)


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "correlated"])
def test_hundreds_of_series_without_a_change_seldom_have_any(kind: str) -> None:
    """Of trends with 60 series of 20 runs with 2 % of noise and a floor of 5 %, at most one in twenty has any change at all."""
    dice = np.random.default_rng(11)
    trends, false = 40, 0
    for _ in range(trends):
        found = [
            change_points(
                list(0.02 * drawn(kind, dice, 20)), 0.0057, lambda before, after: abs(after - before) >= math.log(1.05)
            )
            for _ in range(60)
        ]
        false += any(certain(found))
    assert false <= trends / 20


@pytest.mark.parametrize(("length", "after"), [(12, 4), (20, 4), (20, 10), (60, 6)])
def test_a_step_is_found_where_it_is(length: int, after: int) -> None:
    """A step of six standard deviations is found in 19 of 20 series, within one run of where it is, and nothing beside it."""
    dice = np.random.default_rng(3)
    found = 0
    for _ in range(200):
        values = dice.normal(size=length)
        values[length - after :] += 6
        points = change_points(list(values), TINY).at(LEVEL)
        found += [abs(point.index - (length - after)) <= 1 for point in points] == [True]
    assert found >= 190


def test_a_step_says_its_levels_and_an_interval_that_holds() -> None:
    """The interval of a change's size holds the true size in about 95 of 100 series."""
    dice = np.random.default_rng(4)
    held = []
    for _ in range(200):
        values = dice.normal(size=20)
        values[10:] += 8
        (point,) = change_points(list(values), TINY).at(LEVEL)
        held.append(abs(point.after - point.before - 8) <= point.half_width)
    assert sum(held) >= 180


def test_several_changes_are_found_in_one_series() -> None:
    """A level that rises and falls back has two changes, of opposite direction."""
    values = np.random.default_rng(5).normal(size=30)
    values[10:20] += 8
    up, down = change_points(list(values), TINY).at(LEVEL)
    assert (up.index, down.index) == (10, 20)
    assert up.after > up.before
    assert down.after < down.before


@pytest.mark.parametrize("place", [0, 1, 10, 18, 19])
def test_one_outlier_is_no_change_and_moves_no_level(place: int) -> None:
    """One run that is off by a hundred standard deviations is no change, wherever it is."""
    values = np.random.default_rng(6).normal(size=20)
    values[place] += 100
    assert not change_points(list(values), TINY).at(LEVEL)
    assert abs(level_of(list(values), TINY)) < 1


def test_what_does_not_matter_is_no_change() -> None:
    """A change that is certain and too small to be of interest is none."""
    values = [0.0, 0.01] * 5 + [1.0, 1.01] * 5
    assert len(change_points(values, TINY).at(LEVEL)) == 1
    assert not change_points(values, TINY, lambda before, after: abs(after - before) > 2).at(LEVEL)


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 50, [1.0, 2.0] * 2, [1.0] * (MIN_VALUES - 1)])
def test_short_and_constant_series_have_no_change(values: list[float]) -> None:
    """A series that is too short, or always the same, has no change."""
    assert change_points(values, TINY).p_value == 1.0


def test_the_least_noise_keeps_rounding_from_being_a_change() -> None:
    """Values that differ by less than they are rounded to have no change, however regular the difference is."""
    values = [1.0] * 10 + [1.001] * 10
    assert change_points(values, TINY).at(LEVEL)
    assert not change_points(values, 0.01).at(LEVEL)


def test_a_longer_series_asks_for_longer_stretches() -> None:
    """A stretch has three values at least, and in a long series as many as chance puts on one side of the median."""
    assert [min_stretch(length) for length in (6, 16, 20, 60, 200)] == [3, 3, 4, 5, 7]


def test_false_discoveries_are_controlled_over_all_series() -> None:
    """Alone, a change of p = 0.008 is certain; among many series without one it is not, and among many like it, it is."""
    one = Candidates([[ChangePoint(3, 0.0, 1.0, 0.1, 0.008)]])
    none = Candidates([])
    assert certain([one]) == [[ChangePoint(3, 0.0, 1.0, 0.1, 0.008)]]
    assert not any(certain([one, *[none] * 9]))
    assert all(certain([one] * 10))
    assert certain([]) == []
