"""By how much the generator's lag has moved the percentiles of latencies that no kernel ended. Pure.

`worker.http` ends a response time when the kernel had the answer. Any other client ends it when the event loop comes to the
answer: what is measured is T + E, the target's time T and the loop's lag E at the moment when the answer came.

How E is distributed, the probes of the loop tell. A stall of s ms that begins at random is met by an answer in proportion to its
length, and holds it up for what is left of it then, which is uniform on (0, s): by s/2 in the mean, by E[s²] / 2 E[s] over
stalls of different lengths (the residual life of renewal theory: Cox, Renewal Theory, 1962, chapter 5). A probe that is due at a
fixed time meets stalls in the same way, and one that a stall swallows counts with what was left of that (worker.load.loop_lag); so the
lags of the probes are drawn from the distribution of E itself, and nothing has to be weighted by length again. They come by a
timer of the kernel's that is as exact as an answer's arrival (worker.load.timerfd), so that a timer's rounding is not in them.

T is found from T + E by the method of Richardson (1972) and Lucy (1974), the maximum of the likelihood by expectation
maximisation, on the buckets of the histogram, each taken as uniform. It keeps T a distribution, and is exact in the limits that
matter: E is nearly always 0, and E is always the same.

This takes T and E to be independent. They are not where answers come because of a stall: users that were all woken by its end ask
together, and a stall of their own making may meet their answers more often than by chance. Nor is in E what the client itself takes
for an answer. So the error is told too low rather than too high: in `make truth`, where the lag is worst, as 40 to 90 % of what it is.

Any client may say anything of its times. What is less than every lag can't hold one, so it counts as the target's own, as it is.

Failures are left out, but for the ages of requests that got no answer: they end by the worker's own clock whatever the client is.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from operator import mul
from typing import NamedTuple

from master.judge.generator.validity import ValidityOutcome
from master.judge.seconds.fitness import LagByRequest
from master.scenario.units import format_latency, format_percent, rounded
from worker.load.histogram import GAMMA, LAST_BUCKET, Tally

PERCENTS = (50.0, 90.0, 95.0, 99.0)
ALLOWED_MS = 0.2
"""What a percentile may be off by beside the limit: what a target that answers in a millisecond can't be measured without."""
_ITERATIONS = 30
"""Enough: from there on hardly anything moves, and half a second is gone."""
_NEGLIGIBLE = 1e-5
"""A share of less is no beginning."""
_MIN_MS = 0.001
"""Histograms tell nothing apart below."""
_GROUPED = 12
"""So many buckets of lag, over which it grows by a quarter, count as one from the least to the most in them."""

_LOG_GAMMA = math.log(GAMMA)
_EDGES_MS = [0.0, *(GAMMA**bucket / 1000 for bucket in range(LAST_BUCKET + 1))]

Shares = Mapping[int, float]
"""How much is in each bucket of a histogram."""


class Late(NamedTuple):
    """The share of requests that met a lag within this span, in ms, each lag of it as often."""

    low_ms: float
    high_ms: float
    share: float


Lags = Sequence[Late]


class Moved(NamedTuple):
    """One percentile, as measured and as it is without the lag, in ms."""

    percent: float
    measured_ms: float
    own_ms: float

    @property
    def error_percent(self) -> float:
        """By how much of what it should be it is too high, beyond ALLOWED_MS."""
        return 100 * max(0.0, self.measured_ms - self.own_ms - ALLOWED_MS) / max(self.own_ms, _MIN_MS)


class Spread:
    """A distribution over the buckets of a histogram, uniform in each. It must not be empty."""

    def __init__(self, shares: Shares) -> None:
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
    most_percent: float, tallies: Iterable[Tally], lag_by_node: Mapping[str, LagByRequest]
) -> ValidityOutcome:
    """The check `latency_error`: none of PERCENTS is too high by more than `most_percent`, for the generator's lag.

    `tallies` are the endpoints', with the latencies of fit seconds. Those are judged in one, each endpoint as much as it has
    answers that a worker's own clock ended; where it has others as well, so many are taken to have met no lag. Nodes are
    named whose own lag, if all had it, would be too much.
    """
    measured: defaultdict[int, float] = defaultdict(float)
    own = late = 0.0
    for tally in tallies:
        count, answers = tally.histogram.count, tally.total - tally.failed
        own_clock = min(tally.own_clock, answers)
        if own_clock <= 0 or not count:
            continue
        own += own_clock
        late += own_clock * own_clock / answers
        for bucket, number in tally.histogram.buckets.items():
            measured[bucket] += own_clock * number / count
    limit = f"≤ {format_percent(most_percent)}"
    if not own:
        return ValidityOutcome("latency_error", limit, format_percent(0), 0.0, ok=True)
    pooled = LagByRequest()
    for lag in lag_by_node.values():
        pooled.merge(lag)
    if not pooled.requests:
        message = "no data: nobody knows how late requests were ended that the workers' own clocks have ended"
        return ValidityOutcome("latency_error", limit, "no data", None, ok=False, message=message)
    least = min(pooled.buckets)
    late -= math.fsum(share for bucket, share in measured.items() if bucket < least)
    share = max(0.0, late) / own
    target = Spread(without(measured, lags_met(pooled, share)))
    before = Spread(measured)
    worst = max(
        (Moved(percent, before.percentile(percent), target.percentile(percent)) for percent in PERCENTS),
        key=lambda moved: moved.error_percent,
    )
    error = worst.error_percent
    nodes = sorted(
        node
        for node, lag in lag_by_node.items()
        if lag.requests and _is_moved(target, lags_met(lag, share), most_percent)
    )
    ok = error <= most_percent
    shown = format_percent(rounded(error, lambda short: short <= most_percent))
    if error:
        shown += f" at p{worst.percent:g}"
    message = ""
    if not ok:
        message = (
            f"latency_error was {shown}, above {format_percent(most_percent)}: of {_about(worst.measured_ms)} there, about"
            f" {_about(worst.measured_ms - worst.own_ms)} is the lag of the workers' event loops, since {own:.0f} answers were"
            " ended by their own clocks (the kernel ends those of worker.http's HttpUser)"
        )
    return ValidityOutcome("latency_error", limit, shown, error, ok=ok, nodes=tuple(nodes), message=message)


def without(measured: Shares, lags: Lags) -> dict[int, float]:
    """What was measured, with the lag taken away: see above."""
    total = sum(measured.values())
    seen = {bucket: share / total for bucket, share in measured.items() if share > 0}
    # Somewhere to begin: wherever the target's time may be, there must be something.
    begin: defaultdict[int, float] = defaultdict(float)
    for bucket, share in seen.items():
        for late in lags:
            for at, piece in _moved_by(bucket, -late.high_ms, -late.low_ms):
                begin[at] += share * late.share * piece
    found = {bucket: share for bucket, share in begin.items() if share > _NEGLIGIBLE or bucket in seen}
    found.update((bucket, found.get(bucket, 0.0) + share) for bucket, share in seen.items())
    meets, met_by = _meetings(found, lags, seen)
    own = {bucket: share for (bucket, share), (places, _) in zip(seen.items(), met_by, strict=True) if not places}
    shares, wanted = list(found.values()), list(seen.values())
    for _ in range(_ITERATIONS):
        expected = [sum(map(mul, chances, map(shares.__getitem__, places))) for places, chances in met_by]
        ratios = [share / max(1e-300, of) for share, of in zip(wanted, expected, strict=True)]
        shares = [
            share * sum(map(mul, chances, map(ratios.__getitem__, places)))
            for share, (places, chances) in zip(shares, meets, strict=True)
        ]
    return {bucket: share + own.get(bucket, 0.0) for bucket, share in zip(found, shares, strict=True)}


_Chances = list[tuple[list[int], list[float]]]


def _meetings(found: Shares, lags: Lags, seen: Shares) -> tuple[_Chances, _Chances]:
    """For each bucket of `found` the places in `seen` where it may come to be measured, with the chances; and the reverse."""
    place_of = {bucket: place for place, bucket in enumerate(seen)}
    meets: _Chances = []
    met_by: _Chances = [([], []) for _ in seen]
    for bucket in found:
        chances: defaultdict[int, float] = defaultdict(float)
        for late in lags:
            for at, piece in _moved_by(bucket, late.low_ms, late.high_ms):
                if at in place_of:
                    chances[place_of[at]] += late.share * piece
        for place, chance in chances.items():
            met_by[place][0].append(len(meets))
            met_by[place][1].append(chance)
        meets.append((list(chances), list(chances.values())))
    return meets, met_by


def _moved_by(bucket: int, least_ms: float, most_ms: float) -> list[tuple[int, float]]:
    """The buckets that what is in `bucket` falls into when it is moved by so much, and the part of it; nothing below 0."""
    if not least_ms and not most_ms:
        return [(bucket, 1.0)]
    low_ms, high_ms = _edge_ms(bucket - 1) + least_ms, _edge_ms(bucket) + most_ms
    if high_ms <= 0:
        return []
    width_ms, pieces, at = high_ms - low_ms, [], _bucket_of(max(0.0, low_ms))
    begin_ms = low_ms
    while begin_ms < high_ms:
        # The last bucket has all that is longer.
        end_ms = high_ms if at == LAST_BUCKET else min(high_ms, _edge_ms(at))
        if end_ms > begin_ms:
            pieces.append((at, (end_ms - max(0.0, begin_ms)) / width_ms))
            begin_ms = end_ms
        at += 1
    return pieces


def _is_moved(target: Spread, lags: Lags, most_percent: float) -> bool:
    """Whether these lags move one of the target's percentiles by more than the limit."""
    for percent in PERCENTS:
        most_ms = target.percentile(percent) * (1 + most_percent / 100) + ALLOWED_MS
        within = sum(late.share * target.within(most_ms - (late.low_ms + late.high_ms) / 2) for late in lags)
        if within < percent / 100 - 1e-9:
            return True
    return False


def lags_met(lag: LagByRequest, share: float) -> list[Late]:
    """The lags that `share` of the requests have met, and none that the others have."""
    found = [Late(0.0, 0.0, 1 - share)] if share < 1 else []
    for _, group in groupby(sorted(lag.buckets), key=lambda bucket: bucket // _GROUPED):
        buckets = list(group)
        part = math.fsum(lag.buckets[bucket] for bucket in buckets) / lag.requests
        found.append(Late(_edge_ms(buckets[0] - 1), _edge_ms(buckets[-1]), share * part))
    return found


def _edge_ms(bucket: int) -> float:
    """The upper edge of a bucket; below the first is 0."""
    return _EDGES_MS[bucket + 1]


def _bucket_of(latency_ms: float) -> int:
    bucket = math.ceil(math.log(latency_ms * 1000) / _LOG_GAMMA) if latency_ms > 0 else 0
    return min(max(0, bucket), LAST_BUCKET)


def _about(latency_ms: float) -> str:
    return format_latency(float(f"{latency_ms:.2g}"))
