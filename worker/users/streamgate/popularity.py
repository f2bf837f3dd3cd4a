"""Which medium is asked for: few are popular, most are not."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from random import Random

SEEDED_MEDIA = 200
"""The media that the target has from its start: `media0001` to `media0200`."""


def pick_rank(random: Random, count: int = SEEDED_MEDIA, exponent: float = 1.0) -> int:
    """A rank from 0 to `count` - 1 by Zipf's law: rank r is drawn in proportion to (r + 1) ** -exponent."""
    sums = _sums(count, exponent)
    return min(bisect(sums, random.random() * sums[-1]), count - 1)


def pick_medium(random: Random) -> str:
    """The id of one of the seeded media. With Zipf's exponent of 1 the 40 most popular ones of 200 get 73 % of all reads."""
    return f"media{pick_rank(random) + 1:04d}"


@lru_cache(maxsize=16)
def _sums(count: int, exponent: float) -> Sequence[float]:
    return tuple(accumulate((rank + 1) ** -exponent for rank in range(count)))
