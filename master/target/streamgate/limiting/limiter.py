"""A bucket for each caller."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from master.target.api import errors
from master.target.streamgate.limiting.token_bucket import BucketRule

MAX_CALLERS = 16_384
"""Buckets kept: several times the accounts there are. With more, the one that was used least recently is forgotten."""


class CallerLimits:
    """At most `rate_per_s` requests a second of each caller, and `burst` at once. `timer` gives seconds."""

    def __init__(self, rate_per_s: float, burst: int, timer: Callable[[], float] = time.monotonic) -> None:
        self._rule = BucketRule(rate_per_s, burst)
        self._timer = timer
        self._full_at: dict[str, float] = {}  # in the order of their last use
        self._policy = (b"ratelimit-policy", f'"caller";q={burst};w={math.ceil(burst / rate_per_s)}'.encode())
        self.allowed = 0
        self.refused = 0

    def take(self, caller: str) -> tuple[tuple[bytes, bytes], ...]:
        """Count a request; the RateLimit headers of its answer. Raises ApiError 429 with Retry-After."""
        buckets, now = self._full_at, self._timer()
        taken = self._rule.take(buckets.pop(caller, 0.0), now)
        buckets[caller] = taken.full_at
        if len(buckets) > MAX_CALLERS:
            del buckets[next(iter(buckets))]
        # draft-ietf-httpapi-ratelimit-headers: `t` is when the whole quota is there again.
        headers = (
            self._policy,
            (b"ratelimit", b'"caller";r=%d;t=%d' % (taken.left, math.ceil(taken.full_at - now))),
        )
        if taken.allowed:
            self.allowed += 1
            return headers
        self.refused += 1
        error = errors.too_many_requests("too many requests", math.ceil(taken.wait_s))
        named = {name.decode(): value.decode() for name, value in headers}
        raise errors.ApiError(error.status, error.code, error.message, {**(error.headers or {}), **named})

    @property
    def callers(self) -> int:
        """Buckets kept."""
        return len(self._full_at)
