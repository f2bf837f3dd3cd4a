"""Sorted random positions of which any one can be worked out alone: the arrivals of a Poisson process, given their number. Pure.

Given that n arrivals of a Poisson process fall into an interval, they lie there like n independent uniform positions, sorted. The
middle one of them is a beta-distributed part of the way through the interval; on both sides of it, the same holds again. So each
position is found by halving, in log2(n) steps. The random numbers of a step depend on the seed and the arrival in the middle alone,
and therefore everybody who looks finds the same positions, in whatever order.

A step needs no rejection, so no rounding error of a machine's mathematical library can lead to other positions than those errors:
- Beta(a, a) is 1/2 + 1/2 * sqrt(1 - U**(2 / (2 a - 1))) * cos(2 pi V) for uniform U and V (G. Ulrich: Computer generation of
  distributions on the m-sphere, Applied Statistics 33, 1984);
- Beta(a, a + 1) is Beta(a, a) * Beta(2 a, 1), and Beta(2 a, 1) is W**(1 / (2 a)).
"""

from __future__ import annotations

import math

_MASK = (1 << 64) - 1
# SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_DRAWS = 3
"""Random numbers of a step."""
_UNIT = 2.0**-52


def _mix(state: int) -> int:
    state = ((state ^ (state >> 30)) * _MIX_1) & _MASK
    state = ((state ^ (state >> 27)) * _MIX_2) & _MASK
    return state ^ (state >> 31)


class OrderStatistics:
    """The positions of the arrivals `first` to `end` - 1: uniform between `low` and `high`, and sorted."""

    def __init__(self, first: int, end: int, low: float, high: float, seed: int) -> None:
        self._root = (first - 1, low, end, high)
        self._key = _mix((_mix(seed & _MASK) + (seed >> 64)) & _MASK)
        self._path = [self._root]
        """Intervals from the whole to that of the arrival asked for last, each within the one before."""

    def position(self, arrival: int) -> float:
        """The position of one arrival. Quick where the arrival asked for before is near."""
        path = self._path
        low, at_low, high, at_high = path[-1]
        while not low < arrival < high:
            path.pop()
            low, at_low, high, at_high = path[-1]
        while True:
            middle = (low + high) >> 1
            at_middle = self._split(low, at_low, high, at_high)
            if middle == arrival:
                return at_middle
            if arrival < middle:
                high, at_high = middle, at_middle
            else:
                low, at_low = middle, at_middle
            path.append((low, at_low, high, at_high))

    def count_below(self, position: float) -> int:
        """The first arrival at `position` or beyond, or the end."""
        low, at_low, high, at_high = self._root
        while high - low > 1:
            at_middle = self._split(low, at_low, high, at_high)
            if at_middle < position:
                low, at_low = (low + high) >> 1, at_middle
            else:
                high, at_high = (low + high) >> 1, at_middle
        return high

    def _split(self, low: int, at_low: float, high: int, at_high: float) -> float:
        """The position of the arrival in the middle of an interval, whose ends lie outside of it."""
        middle = (low + high) >> 1
        half = middle - low
        state = (self._key + (middle * _DRAWS + 1) * _GOLDEN) & _MASK
        part = ((_mix(state) >> 12) + 0.5) * _UNIT
        if half > 1:
            state = (state + _GOLDEN) & _MASK
            angle = math.tau * _UNIT * (_mix(state) >> 12)
            part = 0.5 + 0.5 * math.sqrt(-math.expm1(math.log(part) * 2 / (2 * half - 1))) * math.cos(angle)
        if high - middle > half:
            state = (state + _GOLDEN) & _MASK
            part *= (((_mix(state) >> 12) + 0.5) * _UNIT) ** (0.5 / half)
        return at_low + (at_high - at_low) * part
