"""How a hold is divided for the tests: a warm-up that is dropped, then blocks of one length. Pure.

Values of neighbouring seconds resemble each other, which a test of trend takes for evidence; means over blocks do so less. A block is
ten minutes long in a run of a day, and shorter in a shorter run, which has fewer of them to lose.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

WARM_UP_SHARE, MAX_WARM_UP_S = 0.2, 1800
"""A Raspberry Pi in its case takes about half an hour to its final temperature."""
MIN_USABLE_S = 120
"""Of a hold beyond its warm-up: less says nothing about drift."""
WANTED_BLOCKS, MAX_BLOCKS = 24, 144
USUAL_BLOCK_S = 600
"""Blocks are shorter only where there would be fewer than WANTED_BLOCKS of them, longer where there would be more than MAX_BLOCKS."""
_LENGTHS_S = (5, 6, 8, 10, 12, 15, 20, 30, 60, 120, 180, 240, 300, 600)
"""From a minute on whole minutes, to which run.db is thinned."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of a hold, all of `length_s` seconds; times are seconds of the run."""

    hold_start_s: int
    hold_end_s: int
    start_s: int
    """Where the first block begins: after the warm-up."""
    length_s: int
    count: int

    @property
    def end_s(self) -> int:
        """Where the last block ends."""
        return self.start_s + self.length_s * self.count

    def index(self, second: float) -> int | None:
        """The block in which a second lies; None where it lies in none."""
        index = int((second - self.start_s) // self.length_s)
        return index if second >= self.start_s and index < self.count else None


def longest_hold(seconds: Iterable[tuple[int, str, bool]]) -> tuple[int, int]:
    """The longest hold as [first, end) of rows in order: second, stage, whether it is steady. (0, 0) of none.

    Another stage has another load, and what changes with the load is no drift.
    """
    best = (0, 0)
    for (steady, _), rows in groupby(seconds, lambda row: (row[2], row[1])):
        if steady:
            first = last = next(rows)[0]
            for second, *_ in rows:
                last = second
            best = max(best, (first, last + 1), key=lambda span: span[1] - span[0])
    return best


def divide(hold: tuple[int, int], sample_period_s: float = 1.0) -> Blocks | None:
    """The blocks of a hold [first, end) with a sample every `sample_period_s`; None where it is too short."""
    start_s, end_s = hold
    warm_up_s = min(MAX_WARM_UP_S, int(WARM_UP_SHARE * (end_s - start_s)))
    usable_s = end_s - start_s - warm_up_s
    if usable_s < MIN_USABLE_S:
        return None
    fitting = [length for length in _LENGTHS_S if length <= usable_s / WANTED_BLOCKS] or [_LENGTHS_S[0]]
    length_s = max(fitting)
    if usable_s / length_s > MAX_BLOCKS:
        length_s = 60 * math.ceil(usable_s / MAX_BLOCKS / 60)
    length_s = max(length_s, next((each for each in _LENGTHS_S if each >= 2 * sample_period_s), USUAL_BLOCK_S))
    count = usable_s // length_s
    # What is left over goes to the warm-up: the end is what matters most.
    return Blocks(start_s, end_s, end_s - count * length_s, length_s, count)
