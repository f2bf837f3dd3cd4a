"""By how much the generator's lag has moved the percentiles of latencies that were ended by a worker's own clock. Pure.

`worker.http` ends a latency when the kernel had the answer. Any other client ends it when the event loop comes to the answer:
what is measured is M = T + E, the target's time T and the loop's lag E at the moment when the answer came.

The distribution of E is known from the probes of the loop. They are due at fixed times, so that they meet stalls as answers do
(the residual life of renewal theory: Cox, Renewal Theory, 1962, chapter 5), and one that a stall swallows counts with what was
left of that (worker.load.loop_lag). They come by a timer of the kernel's that is as exact as an answer's arrival
(worker.load.process.timerfd), so that a timer's rounding is not in them.

How far E has moved a percentile of T is estimated by what it does to M when it is added once more (Tukey's twicing: the bias of
a smoother is estimated by smoothing its result again; Exploratory Data Analysis, 1977, chapter 16):

    q(T + E, p) - q(T, p)  ≈  q(M + E, p) - q(M, p)

Both are equal where E is always the same, and to first order where E is small beside the width of T. Where it is not, the error is
far above any limit either way, and is shown too low rather than too high.

This takes T and E to be independent. They are not where answers come because of a stall: users that were all woken by its end
ask together. Nor is in E what the client itself takes for an answer. So the error is shown too low rather than too high.

Any client may report any latency. One that is shorter than every lag can't contain one, and counts as the target's own.

Failures are excluded, but for the ages of requests that got no answer: they end by the worker's own clock whatever the client is.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple

from master.judge.generator.validity import ValidityOutcome
from master.judge.seconds.fitness import LagByRequest
from master.scenario.units import format_latency, format_percent, rounded
from worker.load.histogram import GAMMA, LAST_BUCKET, EndpointStats, Histogram

PERCENTS = (50.0, 90.0, 95.0, 99.0)
TOLERANCE_MS = 0.2
"""How far a percentile may be off beside the limit: a target that answers within a millisecond can't be measured without it."""
_GROUPED = 12
"""So many buckets of lag, over which it grows by a quarter, count as one from the least to the most in them."""
_MIN_MS = 0.001
"""Histograms tell nothing apart below."""
_BISECTIONS = 40
_MAX_SHARE = 0.9
"""No more than this share of a percentile is taken to be lag, however far the lag moves it: it can't be more than was measured."""

_EDGES_MS = [0.0, *(GAMMA**bucket / 1000 for bucket in range(LAST_BUCKET + 1))]

Shares = Mapping[int, float]
"""How much is in each bucket of a histogram."""


class LagSpan(NamedTuple):
    """The share of requests that met a lag within this span, in ms, each lag of it as often."""

    low_ms: float
    high_ms: float
    share: float


Lags = Sequence[LagSpan]


class Shift(NamedTuple):
    """One percentile in ms: as measured, and how much of it is the lag."""

    percent: float
    measured_ms: float
    lag_ms: float

    @property
    def error_percent(self) -> float:
        """By how much of what it should be it is too high, beyond TOLERANCE_MS."""
        return 100 * max(0.0, self.lag_ms - TOLERANCE_MS) / max(self.measured_ms - self.lag_ms, _MIN_MS)


class Spread:
    """A distribution over the buckets of a histogram, uniform in each. It must not be empty.

    Of its lowest values the share `free` met no lag.
    """

    def __init__(self, shares: Shares, free: float = 0.0) -> None:
        self.free = free
        total = sum(shares.values())
        self._buckets = sorted(bucket for bucket, share in shares.items() if share > 0)
        self._edges_ms = [_edge_ms(bucket) for bucket in self._buckets]
        self._up_to = list(accumulate(shares[bucket] / total for bucket in self._buckets))

    def within(self, latency_ms: float) -> float:
        """The share that is at or below a latency."""
        place = bisect_right(self._edges_ms, latency_ms)
        below = self._up_to[place - 1] if place else 0.0
        if place == len(self._buckets):
            return below
        low_ms, high_ms = _edge_ms(self._buckets[place] - 1), self._edges_ms[place]
        part = (latency_ms - low_ms) / (high_ms - low_ms)
        return below if part <= 0 else below + part * (self._up_to[place] - below)

    def percentile(self, percent: float) -> float:
        """The latency in ms that `percent` of all do not exceed."""
        wanted = percent / 100 * self._up_to[-1]
        place = next(index for index, up_to in enumerate(self._up_to) if up_to >= wanted)
        below = self._up_to[place - 1] if place else 0.0
        low_ms, high_ms = _edge_ms(self._buckets[place] - 1), self._edges_ms[place]
        return low_ms + (wanted - below) / (self._up_to[place] - below) * (high_ms - low_ms)


def check_latency_error(
    max_percent: float, tallies: Iterable[EndpointStats], lag_by_node: Mapping[str, LagByRequest]
) -> ValidityOutcome:
    """The check `latency_error`: none of PERCENTS is too high by more than `max_percent`, for the generator's lag.

    `tallies` are the endpoints', with the latencies of fit seconds. Those are judged in one, each endpoint as much as it has
    answers that a worker's own clock ended; where it has others as well, so many are taken to have met no lag. Nodes are
    named whose own lag, if all had it, would be too much. In the open model that holds of latencies and of service times.
    """
    tallies = list(tallies)
    found = [_check(max_percent, [(tally, tally.histogram) for tally in tallies], lag_by_node)]
    if any(tally.service is not None for tally in tallies):
        found.append(
            _check(max_percent, [(tally, tally.service_times) for tally in tallies], lag_by_node, " of service times")
        )
    return max(found, key=lambda row: row.observed_value or 0.0)


def _check(
    max_percent: float,
    rows: Iterable[tuple[EndpointStats, Histogram]],
    lag_by_node: Mapping[str, LagByRequest],
    of: str = "",
) -> ValidityOutcome:
    """The check on one histogram of each tally; `of` says of what it is, where that is not latency."""
    measured: defaultdict[int, float] = defaultdict(float)
    own = late = 0.0
    for tally, histogram in rows:
        count, answers = histogram.count, tally.total - tally.failed
        userspace_timed = min(tally.userspace_timed, answers)
        if userspace_timed <= 0 or not count:
            continue
        own += userspace_timed
        late += userspace_timed * userspace_timed / answers
        for bucket, number in histogram.buckets.items():
            measured[bucket] += userspace_timed * number / count
    limit = f"≤ {format_percent(max_percent)}"
    if not own:
        return ValidityOutcome("latency_error", limit, format_percent(0), 0.0, ok=True)
    pooled = LagByRequest()
    for lag in lag_by_node.values():
        pooled.merge(lag)
    if not pooled.requests:
        message = "no data: nobody knows how late requests were ended that the workers' own clocks have ended"
        return ValidityOutcome("latency_error", limit, "no data", None, ok=False, message=message)
    # What is shorter than every lag holds none, so that the lag was met among the others.
    least = min(pooled.buckets)
    free = math.fsum(share for bucket, share in measured.items() if bucket < least)
    share = max(0.0, late - free) / (own - free) if own > free else 0.0
    spread = Spread(measured, free / own)
    lags = lags_met(pooled, share)
    worst = max((shift_of(spread, lags, percent) for percent in PERCENTS), key=lambda shift: shift.error_percent)
    error = worst.error_percent
    nodes = sorted(
        node
        for node, lag in lag_by_node.items()
        if lag.requests and _exceeds(spread, lags_met(lag, share), max_percent)
    )
    ok = error <= max_percent
    shown = format_percent(rounded(error, lambda short: short <= max_percent))
    if error:
        shown += f" at p{worst.percent:g}{of}"
    message = ""
    if not ok:
        message = (
            f"latency_error was {shown}, above {format_percent(max_percent)}: of {_about(worst.measured_ms)} there, about"
            f" {_about(worst.lag_ms)} is the lag of the workers' event loops, since {own:.0f} answers were ended by their own"
            " clocks. The kernel ends those of worker.http.HttpUser; Locust's FastHttpUser takes less of a core than its HttpUser;"
            f" `validity: {{latency_error: {_allowing(error)}}}` lets an error be as large"
        )
    return ValidityOutcome("latency_error", limit, shown, error, ok=ok, nodes=tuple(nodes), message=message)


def _allowing(error_percent: float) -> str:
    """A round limit that would have allowed this error."""
    step = next((step for step in (1, 5, 10) if error_percent <= 10 * step), 50)
    return format_percent(math.ceil(error_percent / step) * step)


def shift_of(measured: Spread, lags: Lags, percent: float) -> Shift:
    """How far these lags have moved a percentile, by what they do to it when they are added once more: see above."""
    low_ms = start_ms = measured.percentile(percent)
    if _share_within(measured, lags, start_ms) >= percent / 100:
        return Shift(percent, start_ms, 0.0)
    high_ms = start_ms + max(lag.high_ms for lag in lags)
    for _ in range(_BISECTIONS):
        middle_ms = (low_ms + high_ms) / 2
        if _share_within(measured, lags, middle_ms) < percent / 100:
            low_ms = middle_ms
        else:
            high_ms = middle_ms
    return Shift(percent, start_ms, min(high_ms - start_ms, _MAX_SHARE * start_ms))


def _exceeds(measured: Spread, lags: Lags, max_percent: float) -> bool:
    """Whether the error of one of PERCENTS is above the limit; cheaper than `shift_of`, since it is asked of each node."""
    part = max_percent / 100
    for percent in PERCENTS:
        start_ms = measured.percentile(percent)
        allowed_ms = (part * start_ms + TOLERANCE_MS) / (1 + part)
        reachable = allowed_ms < _MAX_SHARE * start_ms
        if reachable and _share_within(measured, lags, start_ms + allowed_ms) < percent / 100:
            return True
    return False


def _share_within(measured: Spread, lags: Lags, latency_ms: float) -> float:
    """The share of latencies at or below `latency_ms` when these lags are added to what was measured."""
    if latency_ms >= _edge_ms(LAST_BUCKET - 1):
        return 1.0  # the last bucket has all that is longer
    found = min(measured.free, measured.within(latency_ms))
    for lag in lags:
        within = measured.within(latency_ms - (lag.low_ms + lag.high_ms) / 2)
        found += lag.share * max(0.0, within - measured.free)
    return found + 1e-9  # a sum of shares may fall short of their whole by as little


def lags_met(lag: LagByRequest, share: float) -> list[LagSpan]:
    """The lags that `share` of the requests have met, and none that the others have."""
    found = [LagSpan(0.0, 0.0, 1 - share)] if share < 1 else []
    for _, group in groupby(sorted(lag.buckets), key=lambda bucket: bucket // _GROUPED):
        buckets = list(group)
        part = math.fsum(lag.buckets[bucket] for bucket in buckets) / lag.requests
        found.append(LagSpan(_edge_ms(buckets[0] - 1), _edge_ms(buckets[-1]), share * part))
    return found


def _edge_ms(bucket: int) -> float:
    """The upper edge of a bucket; below the first is 0."""
    return _EDGES_MS[bucket + 1]


def _about(latency_ms: float) -> str:
    return format_latency(float(f"{latency_ms:.2g}"))
