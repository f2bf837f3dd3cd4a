"""The rate curve of the open model, its integral, and the integral's inverse. Pure.

The curve is a row of segments, each a line with a sine on top (worker.wire.messages.RateSegment). Both have integrals in closed
form, so the number of arrivals by some time is worked out anew from that time, never added up, and can't drift.

Sums of whole segments are exact fractions. Each is kept as the nearest float and what that lacks, so that a place within a
segment is as accurate after days at 100 000 arrivals per second as in the first second.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction

from worker.wire.work import RateSegment

MAX_ARRIVALS = 1 << 50
"""The most arrivals of a plan: 300 years of 100 000 per second. Half an arrival more than any of them is exact as a float."""
_MAX_STEPS = 100
"""Of the search on a sine. Halving alone finds a float between 0 and its end in 64; Newton's method takes 3 to 6."""


def find_segment_fault(segment: RateSegment) -> str | None:
    """Why this segment is no part of a rate curve, or None when it is one."""
    numbers = {
        "duration": segment.duration_s,
        "rate at the start": segment.from_per_s,
        "rate at the end": segment.to_per_s,
        "amplitude": segment.amplitude_per_s,
        "period": segment.period_s,
        "start within the sine": segment.sine_from_s,
    }
    for name, number in numbers.items():
        if not 0 <= number < math.inf:
            return f"its {name} is {number}, and has to be 0 or a positive number"
    lowest_per_s = min(segment.from_per_s, segment.to_per_s)
    if segment.amplitude_per_s > lowest_per_s:
        return f"its amplitude of {segment.amplitude_per_s:g}/s is above its lowest rate of {lowest_per_s:g}/s"
    if segment.amplitude_per_s and not segment.period_s:
        return "its sine has no period"
    return None


class RateCurve:
    """Arrivals per second over plan time. Raises ValueError for segments that are no curve, or have more than MAX_ARRIVALS."""

    def __init__(self, segments: Sequence[RateSegment]) -> None:
        self._pieces: list[_Piece] = []
        self.segment_ends: list[tuple[float, Fraction]] = []
        """For each segment the plan time at its end, and the arrivals by then."""
        start_s, start = Fraction(0), Fraction(0)
        for number, segment in enumerate(segments):
            fault = find_segment_fault(segment)
            if fault is not None:
                raise ValueError(f"segment {number} of the rate curve: {fault}")
            if segment.duration_s:
                self._pieces.append(piece := _Piece(segment, start_s, start))
                start_s, start = piece.exact_end_s, piece.exact_end
                if start > MAX_ARRIVALS:
                    raise ValueError(f"the plan has {float(start):.3g} arrivals, more than {MAX_ARRIVALS:.3g}")
            self.segment_ends.append((float(start_s), start))
        self._starts_s = [piece.start_s for piece in self._pieces]
        self._starts = [piece.start for piece in self._pieces]
        self.duration_s = float(start_s)
        self.peak_per_s = max(
            (max(each.from_per_s, each.to_per_s) + each.amplitude_per_s for each in segments), default=0.0
        )
        """The highest rate, or more where a sine is on a ramp."""
        self.total = start
        """All arrivals: the integral over the whole curve."""

    def rate_at(self, offset_s: float) -> float:
        """Arrivals per second at plan time `offset_s`, where two segments meet the later one's; 0 outside of the plan."""
        if not 0 <= offset_s < self.duration_s:
            return 0.0
        piece = self._pieces[bisect_right(self._starts_s, offset_s) - 1]
        return piece.rate(offset_s - piece.start_s)

    def arrivals_by(self, offset_s: float) -> float:
        """Arrivals up to plan time `offset_s`: the integral of the rate, to the accuracy of a float."""
        if offset_s <= 0 or not self._pieces:
            return 0.0
        if offset_s >= self.duration_s:
            return float(self.total)
        piece = self._pieces[bisect_right(self._starts_s, offset_s) - 1]
        return piece.start + (piece.start_rest + piece.arrivals(offset_s - piece.start_s))

    def exact_arrivals_by(self, offset_s: float) -> Fraction:
        """As `arrivals_by`, on a line without any rounding; takes about 10 µs."""
        if offset_s <= 0 or not self._pieces:
            return Fraction(0)
        offset, number = Fraction(offset_s), bisect_right(self._starts_s, offset_s) - 1
        if offset < self._pieces[number].exact_start_s:  # the float is where the piece before ends, or next to it
            number -= 1
        piece = self._pieces[number]
        return piece.exact_start + piece.exact_arrivals(min(offset, piece.exact_end_s) - piece.exact_start_s)

    def offset_of(self, arrivals: float) -> float:
        """Plan time in seconds by which so many have arrived: the inverse of `arrivals_by`, to 1 ns where the rate is above 0.

        Where the rate is 0 for a while after so many, the end of that while; the end of the plan for more than there are.
        """
        number = bisect_right(self._starts, arrivals) - 1
        if number < 0:
            return 0.0
        piece = self._pieces[number]
        while (
            number and arrivals == piece.start and piece.start_rest > 0
        ):  # less than at the start, by what a float lacks
            number -= 1
            piece = self._pieces[number]
        left = piece.end - arrivals + piece.end_rest
        return min(piece.start_s + piece.seconds_until(arrivals - piece.start - piece.start_rest, left), piece.end_s)


class _Piece:
    """A segment in its place on the curve, with a duration above 0."""

    __slots__ = (
        "_amplitude", "_duration_s", "_from", "_period_s", "_rise", "_segment", "_sine_from", "end", "end_rest", "end_s", "exact_end",
        "exact_end_s", "exact_start", "exact_start_s", "start", "start_rest", "start_s",
    )  # fmt: skip

    def __init__(self, segment: RateSegment, start_s: Fraction, start: Fraction) -> None:
        self._segment = segment
        self._duration_s = segment.duration_s
        self._from = segment.from_per_s
        self._rise = segment.to_per_s - segment.from_per_s
        self._amplitude = segment.amplitude_per_s
        self._period_s = segment.period_s
        self._sine_from = math.fmod(segment.sine_from_s, segment.period_s) if segment.period_s else 0.0
        self.exact_start_s, self.exact_start = start_s, start
        self.exact_end_s = start_s + Fraction(segment.duration_s)
        self.exact_end = start + self.exact_arrivals(Fraction(segment.duration_s))
        self.start_s, self.end_s = float(start_s), float(self.exact_end_s)
        self.start, self.end = float(start), float(self.exact_end)
        self.start_rest, self.end_rest = float(start - Fraction(self.start)), float(self.exact_end - Fraction(self.end))

    def rate(self, elapsed_s: float) -> float:
        line = self._from + self._rise * (elapsed_s / self._duration_s)
        if self._amplitude:
            line += self._amplitude * math.sin(
                math.tau * (math.fmod(self._sine_from + elapsed_s, self._period_s) / self._period_s)
            )
        return max(0.0, line)

    def arrivals(self, elapsed_s: float) -> float:
        line = elapsed_s * (self._from + self._rise * 0.5 * (elapsed_s / self._duration_s))
        return line + self._sine(elapsed_s) if self._amplitude else line

    def exact_arrivals(self, elapsed_s: Fraction) -> Fraction:
        start, end = Fraction(self._segment.from_per_s), Fraction(self._segment.to_per_s)
        line = elapsed_s * (start + (end - start) * elapsed_s / Fraction(self._duration_s) / 2)
        return line + Fraction(self._sine(float(elapsed_s))) if self._amplitude else line

    def _sine(self, elapsed_s: float) -> float:
        # amplitude * period / tau * (cos(before) - cos(after)), as a product: without cancellation. Whole periods add nothing.
        half = math.pi * math.fmod(elapsed_s, self._period_s) / self._period_s
        middle = math.tau * self._sine_from / self._period_s + half
        return self._amplitude * self._period_s / math.pi * math.sin(middle) * math.sin(half)

    def seconds_until(self, arrivals: float, left: float) -> float:
        """Seconds after the start until `arrivals` more; then `left` are left of the segment."""
        if arrivals <= 0:
            return 0.0 if self.end > self.start else self._duration_s
        if left <= 0:
            return self._duration_s
        if self._amplitude:
            return self._seconds_on_sine(arrivals)
        # Both are the stable solution of a quadratic equation; on a falling line from its end, where the rate may be 0.
        if self._rise >= 0:
            mean = arrivals / self._duration_s
            rates = self._from + math.sqrt(self._from * self._from + 2 * self._rise * mean)
            return min(2 * mean / rates, 1.0) * self._duration_s if rates else 0.0
        mean, end = left / self._duration_s, self._segment.to_per_s
        rates = end + math.sqrt(end * end - 2 * self._rise * mean)
        return max(1.0 - 2 * mean / rates, 0.0) * self._duration_s if rates else self._duration_s

    def _seconds_on_sine(self, arrivals: float) -> float:
        # Newton's method between bounds, halving wherever it would leave them or the rate is 0.
        low_s, high_s = 0.0, self._duration_s
        elapsed_s = min(
            2
            * arrivals
            / (self._from + math.sqrt(max(0.0, self._from**2 + 2 * self._rise * arrivals / self._duration_s))),
            high_s,
        )
        for _ in range(_MAX_STEPS):
            beyond = self.arrivals(elapsed_s) - arrivals
            if beyond == 0:
                break
            if beyond > 0:
                high_s = elapsed_s
            else:
                low_s = elapsed_s
            rate = self.rate(elapsed_s)
            next_s = elapsed_s - beyond / rate if rate else low_s
            if not low_s < next_s < high_s:
                next_s = (low_s + high_s) / 2
            if abs(next_s - elapsed_s) <= 2**-53 * elapsed_s or not low_s < next_s < high_s:
                break
            elapsed_s = next_s
        return elapsed_s
