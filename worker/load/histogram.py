"""Mergeable, bounded latency histograms: a count per logarithmic bucket.

Bucket `i` holds the latencies in (GAMMA**(i-1), GAMMA**i] microseconds and answers with the point whose relative
distance to both its edges is the same, 2 * GAMMA**i / (GAMMA + 1). The relative error of a percentile is therefore
at most (GAMMA - 1) / (GAMMA + 1), which is 0.99 % for GAMMA = 1.02, and merging loses nothing: the bucket of a value does
not depend on where it was recorded. This is the mapping of DDSketch (Masson, Rim, Lee: VLDB 2019) without the collapsing,
which a range of 1 µs to 1 h (1112 buckets) does not need.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated

import msgspec

GAMMA = 1.02
MAX_RELATIVE_ERROR = (GAMMA - 1) / (GAMMA + 1)

_LOG_GAMMA = math.log(GAMMA)
_HOUR_MS = 3600e3
LAST_BUCKET = math.ceil(math.log(_HOUR_MS * 1000) / _LOG_GAMMA)  # anything longer than an hour counts as one

# Bounds of a histogram from a file or from an untrusted peer.
Milliseconds = Annotated[float, msgspec.Meta(ge=0)]
Buckets = dict[Annotated[int, msgspec.Meta(ge=0, le=LAST_BUCKET)], Annotated[int, msgspec.Meta(ge=1, le=1 << 32)]]


class Histogram:
    """Latencies of any number of requests. Values go in and come out in milliseconds.

    `buckets` maps bucket index to count; `max_ms` is exact.
    """

    __slots__ = ("buckets", "max_ms")

    def __init__(self, buckets: dict[int, int] | None = None, max_ms: float = 0.0) -> None:
        self.buckets: dict[int, int] = {} if buckets is None else buckets
        self.max_ms = max_ms

    def __eq__(self, other: object) -> bool:
        """Whether both have the same counts and the same largest value."""
        if not isinstance(other, Histogram):
            return NotImplemented
        return self.max_ms == other.max_ms and self.buckets == other.buckets

    __hash__ = None  # type: ignore[assignment]  # it changes

    def add(self, latency_ms: float) -> None:
        """Count one latency. Zero, negative and not-a-number values count in the first bucket (below 1 µs)."""
        if 0.001 < latency_ms < _HOUR_MS:
            bucket = math.ceil(math.log(latency_ms * 1000) / _LOG_GAMMA)
        else:
            bucket = LAST_BUCKET if latency_ms >= _HOUR_MS else 0
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        if latency_ms > self.max_ms:
            self.max_ms = latency_ms

    def merge(self, other: Histogram) -> None:
        """Add the counts of `other` to this one."""
        mine = self.buckets
        for bucket, count in other.buckets.items():
            mine[bucket] = mine.get(bucket, 0) + count
        self.max_ms = max(self.max_ms, other.max_ms)

    @property
    def count(self) -> int:
        """The number of latencies."""
        return sum(self.buckets.values())

    @property
    def min_ms(self) -> float:
        """The least latency; 0 of none."""
        return min(value_ms(min(self.buckets)), self.max_ms) if self.buckets else 0.0

    @property
    def mean_ms(self) -> float:
        """The mean of all latencies; 0 of none."""
        total_ms = sum(min(value_ms(bucket), self.max_ms) * count for bucket, count in self.buckets.items())
        return total_ms / self.count if self.buckets else 0.0

    def part_from(self, min_ms: float) -> Histogram:
        """The latencies that are certainly `min_ms` or longer: those of the buckets that begin at or above it."""
        min_us = min_ms * 1000 * (1 - 1e-9)  # a computed edge may be a little below the true one
        return Histogram({b: n for b, n in self.buckets.items() if b and GAMMA ** (b - 1) >= min_us}, self.max_ms)

    def count_from(self, min_ms: float) -> int:
        """The number of latencies in `part_from(min_ms)`."""
        return self.part_from(min_ms).count

    def percentile(self, percent: float) -> float | None:
        """The latency in ms that `percent` (0 to 100) of all requests did not exceed, by nearest rank; None when empty."""
        return self.percentiles((percent,))[0]

    def percentiles(self, percents: Iterable[float]) -> list[float | None]:
        """`percentile` for several at once, sorting the buckets a single time."""
        wanted = list(percents)
        total = self.count
        if not total:
            return [None] * len(wanted)
        ranks = sorted((max(1, math.ceil(percent / 100 * total - 1e-9)), index) for index, percent in enumerate(wanted))
        found: list[float | None] = [None] * len(wanted)
        left = iter(ranks)
        rank, index = next(left, (math.inf, 0))
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            while seen >= rank:
                found[index] = min(value_ms(bucket), self.max_ms)
                rank, index = next(left, (math.inf, 0))
        return found

    def encode(self) -> bytes:
        """The histogram as MessagePack `[max_ms, {bucket: count}]`, for the wire and for run.db."""
        return msgspec.msgpack.encode((self.max_ms, self.buckets))

    @classmethod
    def decode(cls, data: bytes) -> Histogram:
        """The inverse of `encode`. Raises msgspec.DecodeError or msgspec.ValidationError on anything else."""
        max_ms, buckets = _decoder.decode(data)
        return cls(buckets, max_ms)


def value_ms(bucket: int) -> float:
    return 2 * GAMMA**bucket / (GAMMA + 1) / 1000


# Stored histograms are sums of received ones, so their counts may exceed the bound of the wire.
_decoder = msgspec.msgpack.Decoder(
    tuple[Milliseconds, dict[Annotated[int, msgspec.Meta(ge=0, le=LAST_BUCKET)], Annotated[int, msgspec.Meta(ge=1)]]]
)


class EndpointStats:
    """Statistics of the requests to one endpoint, or several, in a span of time.

    `histogram` and `failures` have `total - without_latency` values together.
    """

    __slots__ = (
        "failed",
        "failures",
        "histogram",
        "received_bytes",
        "service",
        "total",
        "unanswered",
        "userspace_timed",
        "without_latency",
    )

    def __init__(
        self,
        total: int = 0,
        failed: int = 0,
        received_bytes: int = 0,
        histogram: Histogram | None = None,
        userspace_timed: int = 0,
        *,
        failures: Histogram | None = None,
        service: Histogram | None = None,
        unanswered: int = 0,
        without_latency: int = 0,
    ) -> None:
        self.total = total
        """Requests, failed ones included."""
        self.failed = failed
        self.received_bytes = received_bytes
        """Bytes of the bodies of all answers."""
        self.histogram = Histogram() if histogram is None else histogram
        """Latencies of requests that did not fail, and the ages of those that got no answer: their latency is at least that."""
        self.userspace_timed = userspace_timed
        """The number of latencies in `histogram`, none of a failure, that were ended by the worker's own clock, not the kernel's."""
        self.failures = failures
        """Latencies of all other failures, so that quick errors do not improve the percentiles; None without any."""
        self.service = service
        """Service times of the requests in `histogram`: without the time for which their arrivals waited for a user. None: the same."""
        self.unanswered = unanswered
        """Failures that got no answer: a timeout, or cut off at the end."""
        self.without_latency = without_latency
        """Requests without a latency."""

    @classmethod
    def merged(cls, parts: Iterable[EndpointStats]) -> EndpointStats:
        """The sum of all `parts`, as a new object."""
        whole = cls()
        for part in parts:
            whole.merge(part)
        return whole

    @property
    def service_times(self) -> Histogram:
        """Service times of the requests in `histogram`; not to be changed."""
        return self.histogram if self.service is None else self.service

    def merge(self, other: EndpointStats) -> None:
        """Add `other` to this one."""
        if self.service is not None:
            self.service.merge(other.service_times)
        elif other.service is not None:
            self.service = Histogram(dict(self.histogram.buckets), self.histogram.max_ms)
            self.service.merge(other.service)
        self.total += other.total
        self.failed += other.failed
        self.received_bytes += other.received_bytes
        self.userspace_timed += other.userspace_timed
        self.unanswered += other.unanswered
        self.without_latency += other.without_latency
        self.histogram.merge(other.histogram)
        if other.failures is not None:
            self.add_failures(other.failures)

    def add_failures(self, failures: Histogram) -> None:
        """Add latencies of failures; `failures` itself is not changed."""
        if self.failures is None:
            self.failures = Histogram()
        self.failures.merge(failures)


class ArrivalTally:
    """The arrivals of the open model that were due in a span of time, each counted once: as started, missed or given up."""

    __slots__ = ("given_up", "late", "lateness", "missed", "started")

    def __init__(
        self, started: int = 0, missed: int = 0, late: int = 0, given_up: int = 0, lateness: Histogram | None = None
    ) -> None:
        self.started = started
        self.missed = missed
        """Not started because no user was free."""
        self.late = late
        """Of `started`, those that the worker looked at too late by a fault of its own."""
        self.given_up = given_up
        """Not started because the worker itself was far too late for them."""
        self.lateness = Histogram() if lateness is None else lateness
        """Of `started`: how much later than due they started, in ms."""

    @property
    def decided(self) -> int:
        """All of them."""
        return self.started + self.missed + self.given_up

    def merge(self, other: ArrivalTally) -> None:
        """Add `other` to this one."""
        self.started += other.started
        self.missed += other.missed
        self.late += other.late
        self.given_up += other.given_up
        self.lateness.merge(other.lateness)
