"""The schedule of arrivals: how many are due by a time and when each is, even ones against exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.load.arrivals.schedule import ArrivalSchedule
from worker.wire.work import ArrivalPlan, RateSegment

HALF = Fraction(1, 2)
NS = 1e-9

rates = st.one_of(st.just(0.0), st.integers(1, 1000).map(float), st.floats(0.001, 1e5))
durations = st.one_of(st.integers(0, 60).map(float), st.floats(1e-3, 1e4))
lines = st.builds(RateSegment, durations, rates, rates, st.just(0))


def exact_count_before(segments: list[RateSegment], offset_s: float) -> int:
    """How many of 1/2, 3/2, 5/2 … are below the exact integral of lines."""
    left, total = Fraction(offset_s), Fraction(0)
    for segment in segments:
        duration, start = Fraction(segment.duration_s), Fraction(segment.from_per_s)
        part = min(max(left, Fraction(0)), duration)
        if part:
            total += part * (start + (Fraction(segment.to_per_s) - start) * part / duration / 2)
        left -= duration
    return math.ceil(total - HALF)


def schedule(*segments: RateSegment, seed: int = 1) -> ArrivalSchedule:
    return ArrivalSchedule(ArrivalPlan(list(segments), seed))


@given(st.lists(lines, min_size=1, max_size=6), st.one_of(st.integers(0, 200).map(float), st.floats(0, 2e4)))
@example([RateSegment(10, 1, 1, 0)], 0.5)
@example([RateSegment(10, 0.1, 0.1, 0)], 5.0)
def test_the_number_due_before_a_time_is_the_exact_integral_rounded(
    segments: list[RateSegment], offset_s: float
) -> None:
    """What is due before a time is the exact integral, rounded, also where an arrival is due at that very time."""
    assert schedule(*segments).count_before(offset_s) == exact_count_before(segments, offset_s)
    assert schedule(*segments).total == exact_count_before(segments, 1e12)


@given(st.lists(lines, min_size=1, max_size=6), st.floats(0, 1))
def test_due_times_are_the_inverse_of_the_number_due_to_one_ns(segments: list[RateSegment], part: float) -> None:
    """Before an arrival's due time those before it are due, after it that one, too: by exact fractions, to 1 ns."""
    arrivals = schedule(*segments)
    if arrivals.total:
        arrival = min(int(part * arrivals.total), arrivals.total - 1)
        due_s = arrivals.due_s(arrival)
        assert 0 <= due_s <= arrivals.duration_s
        assert exact_count_before(segments, max(0.0, due_s - NS)) <= arrival
        assert exact_count_before(segments, due_s + NS) > arrival


@given(st.lists(lines, min_size=1, max_size=6), st.booleans(), st.lists(st.floats(0, 1.1), min_size=1, max_size=12))
def test_what_is_due_between_any_times_adds_up_to_all(
    segments: list[RateSegment], poisson: bool, cuts: list[float]
) -> None:
    """However plan time is cut into pieces, what is due in them adds up to all arrivals, and never falls."""
    arrivals = schedule(*(RateSegment(s.duration_s, s.from_per_s, s.to_per_s, 0, poisson=poisson) for s in segments))
    times_s = [0.0, *sorted(cut * arrivals.duration_s for cut in cuts), arrivals.duration_s * 2]
    counts = [arrivals.count_before(time_s) for time_s in times_s]
    assert counts[0] == 0
    assert counts[-1] == arrivals.total
    assert all(before <= after for before, after in pairwise(counts))


@pytest.mark.parametrize("poisson", [False, True], ids=["even", "Poisson"])
@pytest.mark.parametrize("per_s", [0.3, 7.0, 333.3])
def test_every_second_of_a_day_adds_up_to_the_day(per_s: float, poisson: bool) -> None:
    """Counted second by second for a day, no arrival is missing or too many, and even ones differ by one at most."""
    day_s = 86400 if not poisson else 2000
    arrivals = schedule(RateSegment(day_s, per_s, per_s, 0, poisson=poisson))
    counts = [arrivals.count_before(second) for second in range(day_s + 1)]
    assert counts[-1] == arrivals.total == round(per_s * day_s)
    if not poisson:
        assert {after - before for before, after in pairwise(counts)} <= {math.floor(per_s), math.ceil(per_s)}


def test_even_arrivals_are_half_a_gap_from_both_ends() -> None:
    """At 10 per second the first is due after 50 ms, the last 50 ms before the end, the others 100 ms apart."""
    arrivals = schedule(RateSegment(1, 10, 10, 0))
    assert [arrivals.due_s(number) for number in range(arrivals.total)] == pytest.approx(
        [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]
    )
    with pytest.raises(IndexError, match="no arrival 10 in a plan of 10"):
        arrivals.due_s(10)
    with pytest.raises(IndexError, match="no arrival -1 in a plan of 10"):
        arrivals.due_s(-1)


def test_what_rounding_leaves_of_a_stage_goes_into_the_next() -> None:
    """Ten stages of 0.4 arrivals each, even and Poisson in turn, have 4 together, not none."""
    arrivals = schedule(*(RateSegment(1, 0.4, 0.4, stage, poisson=stage % 2 == 1) for stage in range(10)))
    assert arrivals.total == 4
    due = [arrivals.due_s(number) for number in range(4)]
    assert due == sorted(due)
    for number, due_s in enumerate(due):
        assert arrivals.count_before(math.floor(due_s)) <= number < arrivals.count_before(math.floor(due_s) + 1)


@given(
    st.lists(st.tuples(st.floats(0.1, 100), rates.map(lambda rate: rate / 100), st.booleans()), min_size=1, max_size=6),
    st.integers(),
)
def test_each_arrival_is_due_within_its_stage(stages: list[tuple[float, float, bool]], seed: int) -> None:
    """Even and Poisson stages after each other have as many arrivals as the integral adds, all due in order and in the stage."""
    segments = [RateSegment(length, rate, rate, n, poisson=poisson) for n, (length, rate, poisson) in enumerate(stages)]
    arrivals = schedule(*segments, seed=seed)
    start_s = 0.0
    for index in range(len(segments)):
        end_s = math.fsum(each.duration_s for each in segments[: index + 1])
        first, end = exact_count_before(segments[:index], 1e12), exact_count_before(segments[: index + 1], 1e12)
        due = [arrivals.due_s(number) for number in range(first, min(end, first + 300))]
        assert due == sorted(due)
        assert all(start_s - NS <= due_s <= end_s + NS for due_s in due)
        start_s = end_s
    assert arrivals.total == exact_count_before(segments, 1e12)


@given(st.integers(0, 6_047_999_999))
def test_a_day_of_70000_per_second_with_a_sine_has_no_drift(arrival: int) -> None:
    """Anywhere in a day with a sine, the due time and the number due agree to a microsecond, and whole periods are exact."""
    arrivals = schedule(RateSegment(86400.0, 7e4, 7e4, 0, amplitude_per_s=6e4, period_s=3600.0))
    assert arrivals.total == 6_048_000_000
    assert arrivals.count_before(3600.0 * (arrival % 25)) == 252_000_000 * (arrival % 25)
    due_s = arrivals.due_s(arrival)
    assert arrivals.count_before(due_s - NS) <= arrival < arrivals.count_before(due_s + NS)


def test_a_plan_without_arrivals_is_empty() -> None:
    """A plan of no segments, or of a rate of 0, has no arrivals and no first one."""
    for arrivals in (schedule(), schedule(RateSegment(10, 0, 0, 0)), schedule(RateSegment(10, 0, 0, 0, poisson=True))):
        assert (arrivals.total, arrivals.count_before(5), arrivals.count_before(99), arrivals.plan_s_of(0)) == (
            0,
            0,
            0,
            0,
        )
        with pytest.raises(IndexError, match="no arrival 0 in a plan of 0"):
            arrivals.due_s(0)


def test_the_plan_time_of_a_count_is_when_the_last_of_them_was_due() -> None:
    """So many have been due by the due time of the last of them; by none before the start, by all at the end."""
    arrivals = schedule(RateSegment(10, 1, 1, 0))
    assert [arrivals.plan_s_of(count) for count in (0, 1, 9, 10, 11)] == [0, 0.5, 8.5, 10, 10]


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([RateSegment(1, 5, 5, 1), RateSegment(1, 5, 5, 0)], r"stages of a plan come in order, not as \[1, 0\]"),
        (
            [RateSegment(1, 5, 5, 3), RateSegment(1, 5, 5, 3, poisson=True)],
            "stage 3 of the plan has both even and Poisson",
        ),
        ([RateSegment(1, -5, 5, 0)], "segment 0 of the rate curve: its rate at the start is -5"),
    ],
)
def test_a_bad_plan_is_refused(segments: list[RateSegment], message: str) -> None:
    """A plan that is none is refused with what is wrong with it."""
    with pytest.raises(ValueError, match=message):
        schedule(*segments)
