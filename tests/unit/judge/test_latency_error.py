"""The share of the generator's lag in measured percentiles is estimated as well as if the target's own times were known."""

from __future__ import annotations

import math
import random
import re
from bisect import bisect_right
from collections.abc import Callable

import pytest

from master.judge.generator.latency_error import check_latency_error
from master.judge.generator.validity import ValidityOutcome
from master.judge.seconds.fitness import FitnessLog, LagByRequest
from worker.load.histogram import EndpointStats, Histogram
from worker.load.loop_lag import LoopLag

REQUESTS = 20_000
PROBES = 21 * 120
Draw = Callable[[random.Random], float]


def histogram(values_ms: list[float]) -> Histogram:
    made = Histogram()
    for value_ms in values_ms:
        made.add(value_ms)
    return made


def mixture(dice: random.Random) -> float:
    return 12 + dice.lognormvariate(2.8, 0.45) if dice.random() < 0.94 else dice.lognormvariate(4.87, 0.25)


TARGETS: dict[str, Draw] = {
    "a mixture": mixture,
    "always 20 ms": lambda _: 20.0,
    "a millisecond": lambda dice: dice.lognormvariate(0.3, 0.6),
}


def stalls(share: float, min_ms: float, max_ms: float) -> Draw:
    """The rest of each stall that a request meets by chance, in a loop that is otherwise always 0.1 ms late."""

    def draw(dice: random.Random) -> float:
        if dice.random() >= share:
            return 0.1
        length_ms = next(
            length for length in iter(lambda: dice.uniform(min_ms, max_ms), None) if dice.random() < length / max_ms
        )
        return 0.1 + dice.random() * length_ms

    return draw


LAGS: dict[str, Draw] = {
    "idle": stalls(0, 1, 1),
    "at work": stalls(0.15, 0.3, 3),
    "stalls of 20 to 45 ms, two fifths of the time": stalls(0.4, 20, 45),
    "stalls of 10 ms now and then": stalls(0.05, 10, 10),
    "always 5 ms": lambda _: 5.0,
    "half a millisecond in the mean": lambda dice: dice.expovariate(2.0),
}


def lag_of(draw: Draw, dice: random.Random, requests: int = REQUESTS) -> LagByRequest:
    made = LagByRequest()
    made.add(histogram([draw(dice) for _ in range(PROBES)]), requests)
    return made


def judged(
    target: Draw, lag: Draw, userspace_timed: int = REQUESTS, max_percent: float = 1.0, seed: int = 1
) -> ValidityOutcome:
    dice = random.Random(seed)
    measured = histogram([target(dice) + lag(dice) for _ in range(REQUESTS)])
    tallies = [EndpointStats(REQUESTS, histogram=measured, userspace_timed=userspace_timed), EndpointStats()]
    return check_latency_error(max_percent, tallies, {"pi1": lag_of(lag, dice, userspace_timed)})


def true_error_percent(own_ms: list[float], measured: Histogram) -> float:
    """The value that `latency_error` estimates, from the target's own times."""
    own_ms = sorted(own_ms)
    errors = []
    for percent in (50.0, 90.0, 95.0, 99.0):
        own, seen = own_ms[math.ceil(percent / 100 * len(own_ms)) - 1], measured.percentile(percent)
        assert seen is not None
        errors.append(100 * max(0.0, seen - own - 0.2) / own)
    return max(errors)


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("target", TARGETS)
def test_it_decides_as_if_the_targets_own_times_were_known(target: str, lag: str) -> None:
    """Far from the limit the estimate is on the same side as the truth, and at worst a quarter as large."""
    dice = random.Random(7)
    own_ms = [TARGETS[target](dice) for _ in range(REQUESTS)]
    measured = histogram([own + LAGS[lag](dice) for own in own_ms])
    tally = EndpointStats(REQUESTS, histogram=measured, userspace_timed=REQUESTS)
    row = check_latency_error(1.0, [tally], {"pi1": lag_of(LAGS[lag], dice)})
    true = true_error_percent(own_ms, measured)
    assert row.observed_value is not None
    if not 0.4 < true < 2:
        assert row.ok is (true <= 1.0)
    assert row.observed_value >= min(true / 4, 60) - 0.25


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("target", "lag", "ok"),
    [
        ("a mixture", "idle", True),
        ("a mixture", "at work", True),
        ("a mixture", "stalls of 20 to 45 ms, two fifths of the time", False),
        ("a mixture", "stalls of 10 ms now and then", True),
        ("a mixture", "always 5 ms", False),
        ("always 20 ms", "idle", True),
        ("always 20 ms", "stalls of 10 ms now and then", False),
        ("always 20 ms", "always 5 ms", False),
        ("a millisecond", "idle", True),
        ("a millisecond", "at work", False),
        ("a millisecond", "half a millisecond in the mean", False),
    ],
)
def test_a_percentile_that_is_too_high_by_more_than_the_limit_is_found(
    target: str, lag: str, ok: bool, seed: int
) -> None:
    row = judged(TARGETS[target], LAGS[lag], seed=seed)
    assert (row.check, row.ok, row.limit) == ("latency_error", ok, "≤ 1 %")
    assert row.nodes == (() if ok else ("pi1",))
    assert (" at p" in row.observed) is bool(row.observed_value)
    assert bool(row.message) is not ok
    assert ("worker.http.HttpUser" in row.message and "`validity: {latency_error: " in row.message) is not ok


def test_the_limit_is_the_scenarios() -> None:
    stutter = LAGS["stalls of 20 to 45 ms, two fifths of the time"]
    observed = judged(mixture, stutter).observed_value
    assert observed is not None
    assert 20 < observed < 60
    assert judged(mixture, stutter, max_percent=observed).ok
    suggested = re.search(r"latency_error: ([\d.]+) %", judged(mixture, stutter).message)
    assert suggested is not None
    assert judged(mixture, stutter, max_percent=float(suggested[1])).ok
    assert not judged(mixture, stutter, max_percent=observed - 0.1).ok


@pytest.mark.parametrize("userspace_timed", [0, 3, 50])
def test_what_the_kernel_ended_is_no_matter_to_the_lag(userspace_timed: int) -> None:
    """Few failures, which the worker's own clock ends, don't make an endpoint doubtful whose answers the kernel has timed."""
    row = judged(mixture, LAGS["stalls of 20 to 45 ms, two fifths of the time"], userspace_timed)
    assert (row.ok, row.observed, row.nodes) == (True, "0 %", ())


def test_a_small_endpoint_of_another_client_is_judged_beside_a_large_one_of_ours() -> None:
    dice = random.Random(3)
    stutter = LAGS["stalls of 20 to 45 ms, two fifths of the time"]
    own = EndpointStats(
        500, histogram=histogram([mixture(dice) + stutter(dice) for _ in range(500)]), userspace_timed=500
    )
    ours = EndpointStats(REQUESTS, histogram=histogram([mixture(dice) for _ in range(REQUESTS)]), userspace_timed=2)
    assert not check_latency_error(1.0, [own, ours], {"pi1": lag_of(stutter, dice, 502)}).ok


def test_a_node_that_stutters_among_healthy_ones_is_named() -> None:
    dice = random.Random(4)
    healthy, stutter = LAGS["idle"], LAGS["stalls of 20 to 45 ms, two fifths of the time"]
    lags = {f"pi{number:02}": lag_of(healthy, dice, 1000) for number in range(1, 20)}
    lags["pi20"] = lag_of(stutter, dice, 20)
    measured = histogram([mixture(dice) + healthy(dice) for _ in range(REQUESTS)])
    row = check_latency_error(1.0, [EndpointStats(REQUESTS, histogram=measured, userspace_timed=REQUESTS)], lags)
    assert (row.ok, row.nodes) == (True, ("pi20",))


def test_a_lag_that_nobody_knows_is_not_taken_for_none() -> None:
    tally = EndpointStats(1, histogram=histogram([5.0]), userspace_timed=1)
    row = check_latency_error(1.0, [tally], {})
    assert (row.ok, row.observed, row.observed_value) == (False, "no data", None)
    assert check_latency_error(
        1.0, [EndpointStats(1, userspace_timed=1)], {}
    ).ok  # nothing of it was measured by a fit node


@pytest.mark.parametrize("lag_ms", [0.0, 0.01, 0.1, 5.0, 3600e3, 1e9])
@pytest.mark.parametrize("latency_ms", [0.0, 1e-9, 0.01, -1.0, math.nan, 3.6e6, 5e9, math.inf])
def test_times_that_can_hold_no_lag_are_the_targets_own(latency_ms: float, lag_ms: float) -> None:
    """Times shorter than any lag or beyond an hour hold no known lag; a client that reports them measured otherwise."""
    lag = LagByRequest()
    lag.add(histogram([lag_ms] * 20), 100)
    row = check_latency_error(
        1.0, [EndpointStats(100, histogram=histogram([latency_ms] * 100), userspace_timed=100)], {"pi1": lag}
    )
    assert row.ok
    assert row.observed_value == pytest.approx(0, abs=0.5)
    assert row.nodes == () or latency_ms >= 3.6e6


def test_what_can_hold_no_lag_keeps_its_share_beside_what_can() -> None:
    """When half of the answers took no time and the others met 5 ms of lag, the error is that of the others: 5 of 12 ms."""
    lag = LagByRequest()
    lag.add(histogram([5.0] * 20), 100)
    measured = histogram([0.0] * 50 + [17.0] * 50)
    row = check_latency_error(1.0, [EndpointStats(100, histogram=measured, userspace_timed=100)], {"pi1": lag})
    assert row.observed_value == pytest.approx(100 * (5 - 0.2) / 12, rel=0.05)


def test_no_lag_is_more_than_what_was_measured() -> None:
    """Stalls of 300 ms in a run whose slowest answer took 3 ms have met next to none of its answers."""
    lag = LagByRequest()
    lag.add(histogram([0.1] * 95 + [300.0] * 5), 100)
    row = check_latency_error(
        1.0, [EndpointStats(100, histogram=histogram([1.0] * 95 + [3.0] * 5), userspace_timed=100)], {"pi1": lag}
    )
    assert not row.ok
    assert row.observed_value is not None
    assert row.observed_value < 900
    assert "of 3 ms there, about 2.7 ms is the lag" in row.message


@pytest.mark.parametrize("most_percent", [1.0, 100.0, 850.0, 950.0, 10_000.0])
@pytest.mark.parametrize(
    ("measured_ms", "lags_ms"),
    [([400.0] * 100, [300.0] * 20), ([1.0] * 95 + [3.0] * 5, [0.1] * 95 + [300.0] * 5), ([0.2] * 100, [0.19] * 20)],
    ids=["lag that can be", "lag beyond what was measured", "lag within the tolerance"],
)
def test_a_node_is_named_by_the_error_that_is_judged(
    measured_ms: list[float], lags_ms: list[float], most_percent: float
) -> None:
    """The only node of a run is named exactly when the run is invalid, whatever the limit: no error is above 900 %."""
    lag = LagByRequest()
    lag.add(histogram(lags_ms), 100)
    tally = EndpointStats(100, histogram=histogram(measured_ms), userspace_timed=100)
    row = check_latency_error(most_percent, [tally], {"pi1": lag})
    assert row.ok or most_percent < 900
    assert row.nodes == (() if row.ok else ("pi1",))


def test_failures_are_no_answers_that_came_late() -> None:
    """Failed requests do not change the estimate, which is that of the answers alone."""
    dice = random.Random(5)
    stutter = LAGS["stalls of 20 to 45 ms, two fifths of the time"]
    measured = histogram([mixture(dice) + stutter(dice) for _ in range(400)])
    lags = {"pi1": lag_of(stutter, dice, 400)}
    alone = check_latency_error(1.0, [EndpointStats(400, 0, 0, measured, 400)], lags)
    refused = EndpointStats(800, 400, 0, measured, 400, failures=histogram([0.1] * 400))
    assert check_latency_error(1.0, [refused], lags) == alone
    assert not alone.ok


def test_the_lag_counts_for_as_many_requests_as_met_it() -> None:
    """A second's lag counts by its answers from a client's own clock, and not at all when the worker was unfit."""
    log = FitnessLog()
    log.add_lag("pi1", histogram([1.0] * 20), fit=True, userspace_timed=99)
    log.add_lag("pi1", histogram([40.0] * 10 + [1.0] * 10), fit=True, userspace_timed=2)
    log.add_lag("pi1", histogram([80.0] * 20), fit=False, userspace_timed=1000)
    log.add_lag("pi2", histogram([9.0] * 20), fit=True)
    (lag,) = log.lag_by_request.values()
    assert (lag.requests, sorted(lag.buckets.values())) == (101, [1.0, 100.0])


@pytest.mark.parametrize("seed", range(5))
def test_the_probes_of_the_loop_meet_stalls_as_requests_do(seed: int) -> None:
    """The loop's probes meet stalls of any lengths as requests do: the mean is renewal theory's, share × E[s²] / 2 E[s]."""
    dice = random.Random(seed)
    now_s, stall_s, until_s = 0.0, [], 2000.0
    while now_s < until_s:
        begins_s = now_s + dice.expovariate(2.5)
        now_s = begins_s + dice.choice((0.005, 0.02, dice.uniform(0.02, 0.09)))
        stall_s.append((begins_s, now_s))
    begins = [begin_s for begin_s, _ in stall_s]

    def wakes_s(due_s: float) -> float:
        """When the loop handles what is due at `due_s`."""
        place = bisect_right(begins, due_s) - 1
        return max(due_s, stall_s[place][1]) if place >= 0 else due_s

    clock_s = 0.0
    lag = LoopLag(clock=lambda: clock_s, cpu_clock=lambda: 0.0)
    probes = Histogram()

    class Over(Exception):  # noqa: N818
        pass

    def sleep(seconds: float) -> None:
        nonlocal clock_s
        before = int(clock_s)
        clock_s = wakes_s(clock_s + seconds)
        if clock_s >= until_s:
            raise Over
        for second in range(before - 1, int(clock_s) - 1):  # those are complete
            probes.merge(lag.second(second).histogram)

    with pytest.raises(Over):
        lag.run(sleep)
    met_ms = [1000 * (wakes_s(at_s) - at_s) for at_s in (dice.random() * until_s for _ in range(40_000))]
    lengths_s = [end_s - begin_s for begin_s, end_s in stall_s]
    mean_ms = 1000 * math.fsum(length_s**2 for length_s in lengths_s) / 2 / until_s
    assert math.fsum(met_ms) / len(met_ms) == pytest.approx(mean_ms, rel=0.05)
    for lag_ms in (1.0, 5.0, 10.0, 20.0, 40.0):
        bucket = next(bucket for bucket in range(2000) if 1.02**bucket / 1000 > lag_ms)
        shown = sum(count for at, count in probes.buckets.items() if at > bucket) / probes.count
        assert shown == pytest.approx(sum(met > 1.02**bucket / 1000 for met in met_ms) / len(met_ms), abs=0.01)
