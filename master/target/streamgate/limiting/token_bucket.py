"""Token buckets. Pure: times are passed in, in seconds.

Theory of operation: a bucket holds up to `burst` tokens and gains `rate_per_s` of them a second; a request takes one. All that
has to be kept of a bucket is the time at which it is full again: each token taken puts that off by 1 / rate, and there is a
token as long as it is less than burst / rate away. A bucket that is full is like one that never was, and can be forgotten.
(The same rule by another name is the generic cell rate algorithm, ITU-T I.371.) The library `limits` has windows, and no buckets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

# What subtracting times of a clock that has run for months is wrong by.
_ROUNDING_S = 1e-8


class Taken(NamedTuple):
    """What became of a request: `full_at` is to be kept, `left` tokens are there, `wait_s` until there is one for who got none."""

    allowed: bool
    full_at: float
    left: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class BucketRule:
    """Every bucket's rate, up to a million a second, and the tokens that it holds at most."""

    rate_per_s: float
    burst: int

    def take(self, full_at: float, now: float) -> Taken:
        """Take a token of a bucket that is full at `full_at`, 0 for a new one."""
        interval_s, empty_s = 1 / self.rate_per_s, self.burst / self.rate_per_s
        filling_s = max(0.0, full_at - now)
        wait_s = filling_s + interval_s - empty_s
        if wait_s > _ROUNDING_S:
            return Taken(False, full_at, 0, wait_s)
        filling_s += interval_s
        return Taken(True, now + filling_s, max(0, int((empty_s - filling_s + _ROUNDING_S) * self.rate_per_s)), 0.0)
