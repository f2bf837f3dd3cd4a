"""The rate curve: its integral and the integral's inverse, against exact fractions and over days."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.load.arrivals.curve import MAX_ARRIVALS, RateCurve
from worker.wire.work import RateSegment

DAY_S = 86400.0
NS = 1e-9

rates = st.one_of(st.just(0.0), st.floats(0.001, 1e5))
lines = st.builds(RateSegment, st.one_of(st.just(0.0), st.floats(1e-3, 1e5)), rates, rates, st.just(0))


@st.composite
def sines(draw: st.DrawFn) -> RateSegment:
    start, end = draw(st.floats(0.1, 1e4)), draw(st.floats(0.1, 1e4))
    return RateSegment(
        draw(st.floats(0.1, 1e4)),
        start,
        end,
        0,
        amplitude_per_s=draw(st.floats(0, 0.999)) * min(start, end),
        period_s=draw(st.floats(0.1, 1e4)),
        sine_from_s=draw(st.floats(0, 1e4)),
    )


curves = st.lists(st.one_of(lines, sines()), min_size=1, max_size=6)


def exact_integral(segments: list[RateSegment], offset_s: float) -> Fraction:
    """The integral of lines by plan time `offset_s`."""
    left, total = Fraction(offset_s), Fraction(0)
    for segment in segments:
        duration, start = Fraction(segment.duration_s), Fraction(segment.from_per_s)
        part = min(max(left, Fraction(0)), duration)
        if part:
            end = start + (Fraction(segment.to_per_s) - start) * part / duration
            total += part * (start + end) / 2
        left -= duration
    return total


@given(st.lists(lines, min_size=1, max_size=8))
def test_the_integral_over_lines_is_exact(segments: list[RateSegment]) -> None:
    """The sum over whole segments is the exact fraction, without any rounding."""
    assert RateCurve(segments).total == exact_integral(segments, 1e12)


@given(st.lists(lines, min_size=1, max_size=8), st.floats(0, 1))
def test_the_exact_integral_is_exact_everywhere_on_lines(segments: list[RateSegment], part: float) -> None:
    """`exact_arrivals_by` is the exact fraction at any time, and `arrivals_by` the same but for rounding."""
    curve = RateCurve(segments)
    offset_s = part * curve.duration_s
    exact = exact_integral(segments, offset_s)
    assert curve.exact_arrivals_by(offset_s) == exact
    assert curve.arrivals_by(offset_s) == pytest.approx(
        float(exact), rel=1e-12, abs=1e-12 * curve.peak_per_s * offset_s
    )


@given(curves, st.floats(0, 1))
def test_the_inverse_leads_back_to_the_number_of_arrivals(segments: list[RateSegment], part: float) -> None:
    """So many arrivals are there by the time that the inverse names, and not earlier: to 1 ns."""
    curve = RateCurve(segments)
    arrivals = part * float(curve.total)
    offset_s = curve.offset_of(arrivals)
    rounding = 1e-13 * (float(curve.total) + curve.peak_per_s * curve.duration_s)
    assert 0 <= offset_s <= curve.duration_s
    assert curve.arrivals_by(offset_s - NS) <= arrivals + rounding
    assert curve.arrivals_by(offset_s + NS) >= arrivals - rounding


@given(curves, st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_the_inverse_never_goes_back(segments: list[RateSegment], parts: list[float]) -> None:
    """More arrivals are never reached earlier, but for what a float can't tell apart."""
    curve = RateCurve(segments)
    offsets = [curve.offset_of(part * float(curve.total)) for part in sorted(parts)]
    assert all(before <= after + NS for before, after in pairwise(offsets))


@given(curves, st.floats(0, 1))
def test_the_rate_is_the_slope_of_the_integral(segments: list[RateSegment], part: float) -> None:
    """The integral grows by the rate, between its lowest and its highest in a short time."""
    curve = RateCurve(segments)
    from_s = part * curve.duration_s
    to_s = min(from_s + 1e-3, curve.duration_s)
    grown = curve.arrivals_by(to_s) - curve.arrivals_by(from_s)
    seen = [curve.rate_at(from_s + (to_s - from_s) * step / 64) for step in range(64)]
    rounding = 1e-12 * (float(curve.total) + curve.peak_per_s)
    ends = [each for segment in segments for each in (segment.from_per_s, segment.to_per_s)]
    if all(segment.duration_s > 1 for segment in segments) and not any(segment.amplitude_per_s for segment in segments):
        steps = max(ends) * 1e-3  # of ramps, and of a step from one segment to the next
        assert min(seen) * (to_s - from_s) - steps - rounding <= grown <= max(seen) * (to_s - from_s) + steps + rounding
    assert grown >= -rounding
    assert grown <= curve.peak_per_s * (to_s - from_s) + rounding


@pytest.mark.parametrize(
    ("segment", "offset_s", "arrivals"),
    [
        pytest.param(RateSegment(60, 500, 500, 0), 12.5, 6250, id="constant"),
        pytest.param(RateSegment(30, 0, 600, 0), 15, 2250, id="ramp from 0"),
        pytest.param(RateSegment(30, 600, 0, 0), 15, 6750, id="ramp to 0"),
        pytest.param(RateSegment(30, 100, 700, 0), 10, 2000, id="ramp"),
        pytest.param(RateSegment(60, 100, 100, 0, 100, 20), 10, 1000 + 2 * 100 * 20 / math.tau, id="half a sine"),
        pytest.param(RateSegment(60, 100, 100, 0, 100, 20), 40, 4000, id="whole sines add nothing"),
        pytest.param(
            RateSegment(60, 100, 100, 0, 50, 20, sine_from_s=5), 5, 500 + 50 * 20 / math.tau, id="a sine from its top"
        ),
        pytest.param(RateSegment(60, 100, 160, 0, 50, 20), 20, 2200, id="a sine on a ramp"),
    ],
)
def test_the_integral_is_what_a_pencil_says(segment: RateSegment, offset_s: float, arrivals: float) -> None:
    """Arrivals by some time, and the time of so many, where they can be worked out by hand."""
    curve = RateCurve([segment])
    assert curve.arrivals_by(offset_s) == pytest.approx(arrivals, rel=1e-14)
    assert curve.offset_of(arrivals) == pytest.approx(offset_s, abs=NS)


def test_nothing_drifts_in_a_month_at_100000_per_second() -> None:
    """After 30 days at 100 000/s with a ramp and a sine each hour, due times are right to 1 ns, and the sum is exact."""
    hour = [
        RateSegment(600.0, 0, 1e5, 0),
        RateSegment(1200.0, 1e5, 1e5, 0, amplitude_per_s=1e5, period_s=300.0),
        RateSegment(1200.0, 1e5, 1e5, 0),
        RateSegment(600.0, 1e5, 0, 0),
    ]
    curve = RateCurve(hour * 24 * 30)
    per_hour = 300e5 + 1200e5 + 1200e5 + 300e5
    assert curve.total == per_hour * 24 * 30
    for done in (1, 17, 719):
        start_s, start = done * 3600.0, done * per_hour
        assert curve.arrivals_by(start_s) == start
        # On the level stretch arrivals are 10 µs apart, and exact as floats; so are the times but for their last bit.
        for arrival in (0, 1, 12345678, 119999999):
            expected_s = start_s + 1800 + arrival / 1e5
            assert curve.offset_of(start + 1500e5 + arrival) == pytest.approx(expected_s, abs=NS)
        # The last arrivals of the ramp down lie where the rate is next to 0.
        for left in (0.5, 1.5, 1000.5):
            expected_s = start_s + 3600 - math.sqrt(2 * left / (1e5 / 600))
            assert curve.offset_of(start + per_hour - left) == pytest.approx(expected_s, abs=2 * NS)


def test_where_no_rate_is_the_inverse_goes_to_the_end_of_it() -> None:
    """Of a time without arrivals the end is the inverse of what came before, so nothing is due within or before it."""
    curve = RateCurve(
        [RateSegment(10, 0, 0, 0), RateSegment(2, 1, 1, 0), RateSegment(10, 0, 0, 0), RateSegment(1, 1, 1, 0)]
    )
    assert curve.offset_of(0.0) == 10
    assert curve.offset_of(1.0) == 11
    assert curve.offset_of(2.0) == 22
    assert curve.offset_of(math.nextafter(2.0, 0)) == pytest.approx(12)
    assert curve.offset_of(3.0) == 23
    assert curve.offset_of(9.0) == 23
    assert curve.arrivals_by(15) == 2


def test_outside_of_the_plan_there_is_nothing() -> None:
    """Before plan time 0 nothing has arrived, after the end all has, and the rate is 0 in both."""
    curve = RateCurve([RateSegment(10, 5, 5, 0)])
    assert (curve.arrivals_by(-1), curve.arrivals_by(11), curve.rate_at(-1), curve.rate_at(10)) == (0, 50, 0, 0)
    assert (curve.offset_of(-1), curve.offset_of(51)) == (0, 10)
    empty = RateCurve([])
    assert (empty.duration_s, empty.total, empty.arrivals_by(1), empty.offset_of(1), empty.rate_at(0)) == (
        0,
        0,
        0,
        0,
        0,
    )


def test_a_step_belongs_to_what_comes_after_it() -> None:
    """Where the rate jumps, the later rate counts; a segment of no length is a jump."""
    curve = RateCurve([RateSegment(10, 5, 5, 0), RateSegment(0, 5, 90, 0), RateSegment(10, 90, 90, 0)])
    assert (curve.rate_at(math.nextafter(10, 0)), curve.rate_at(10)) == (5, 90)
    assert curve.total == 950
    assert curve.segment_ends == [(10, 50), (10, 50), (20, 950)]


def test_a_sine_may_touch_0() -> None:
    """A sine as high as its rate is inverted also where it touches 0, as well as a float allows."""
    curve = RateCurve([RateSegment(60, 100, 100, 0, amplitude_per_s=100, period_s=20)])
    for arrival in range(6000):
        offset_s = curve.offset_of(arrival + 0.5)
        assert curve.arrivals_by(offset_s) == pytest.approx(arrival + 0.5, abs=1e-9)


@given(
    st.lists(
        st.builds(
            RateSegment,
            st.floats(0, 1e12),
            st.floats(0, 1e12),
            st.floats(0, 1e12),
            st.integers(0, 3),
            st.floats(0, 1e12),
            st.floats(0, 1e12),
            st.booleans(),
            st.floats(0, 1e12),
        ),
        max_size=4,
    ),
    st.floats(0, 1),
)
def test_whatever_a_message_can_say_is_a_curve_or_refused(segments: list[RateSegment], part: float) -> None:
    """Any numbers that a message may have make a curve that can be asked, or a ValueError that says why not."""
    try:
        curve = RateCurve(segments)
    except ValueError:
        return
    offset_s = curve.offset_of(part * float(curve.total))
    assert 0 <= offset_s <= curve.duration_s
    assert 0 <= curve.arrivals_by(part * curve.duration_s) <= MAX_ARRIVALS * 1.001
    assert 0 <= curve.rate_at(offset_s) < math.inf


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (
            RateSegment(-1, 5, 5, 0),
            "segment 1 of the rate curve: its duration is -1, and has to be 0 or a positive number",
        ),
        (RateSegment(math.inf, 5, 5, 0), "its duration is inf"),
        (RateSegment(1, math.nan, 5, 0), "its rate at the start is nan"),
        (RateSegment(1, 5, -5, 0), "its rate at the end is -5"),
        (RateSegment(1, 5, 5, 0, 6, 1), "its amplitude of 6/s is above its lowest rate of 5/s"),
        (RateSegment(1, 5, 0, 0, 1, 1), "its amplitude of 1/s is above its lowest rate of 0/s"),
        (RateSegment(1, 5, 5, 0, 5, 0), "its sine has no period"),
        (RateSegment(1, 5, 5, 0, 5, 1, sine_from_s=-1), "its start within the sine is -1"),
        (RateSegment(1e12, 1e12, 1e12, 0), r"the plan has 1e\+24 arrivals, more than 1\.13e\+15"),
    ],
)
def test_a_bad_segment_is_named_with_what_is_wrong(segment: RateSegment, message: str) -> None:
    """A segment that is no part of a curve is refused with its number and its fault."""
    with pytest.raises(ValueError, match=message):
        RateCurve([RateSegment(1, 5, 5, 0), segment])
