"""Token buckets. Pure: times are passed in, in seconds.

Theory of operation: a bucket holds up to `burst` tokens and gains `rate_per_s` of them a second; a request takes one. All that
has to be kept of a bucket is the time at which it is full again: each token taken puts that off by 1 / rate, and there is a
token as long as it is less than burst / rate away. A bucket that is full is like one that never was, and can be forgotten.
(The same rule by another name is the generic cell rate algorithm, ITU-T I.371.) The library `limits` has windows, and no buckets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Taken(NamedTuple):
    """What became of a request: `full_at` is to be kept, `left` tokens are there, `wait_s` until there is one for who got none."""

    allowed: bool
    full_at: float
    left: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class BucketRule:
    """Every bucket's rate, and the tokens that it holds at most."""

    rate_per_s: float
    burst: int

    def take(self, full_at: float, now: float) -> Taken:
        """Take a token of a bucket that is full at `full_at`, 0 for a new one."""
        empty_s = self.burst / self.rate_per_s
        full_at = max(now, full_at)
        after = full_at + 1 / self.rate_per_s
        # The billionth absorbs what rounding adds over a whole bucket.
        wait_s = after - now - empty_s
        if wait_s <= 1e-9 * empty_s:
            return Taken(True, after, int((empty_s - (after - now)) * self.rate_per_s + 1e-6), 0.0)
        return Taken(False, full_at, 0, wait_s)
