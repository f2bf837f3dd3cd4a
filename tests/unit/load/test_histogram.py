"""Percentiles are within 1 % of the pooled raw values, and merging loses nothing."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.load.histogram import GAMMA, MAX_RELATIVE_ERROR, EndpointStats, Histogram

PERCENTS = (0, 1, 10, 50, 90, 95, 99, 99.9, 100)
latencies_ms = st.floats(0.01, 60_000)  # 10 µs to 60 s


def of(values_ms: list[float]) -> Histogram:
    histogram = Histogram()
    for value_ms in values_ms:
        histogram.add(value_ms)
    return histogram


def nearest_rank(values_ms: list[float], percent: float) -> float:
    """The textbook definition of a percentile, on the raw values."""
    return sorted(values_ms)[max(1, math.ceil(percent * len(values_ms) / 100)) - 1]


@given(st.lists(latencies_ms, min_size=1, max_size=300))
def test_every_percentile_is_within_one_percent_of_the_nearest_rank(values_ms: list[float]) -> None:
    assert MAX_RELATIVE_ERROR < 0.01
    for percent, found in zip(PERCENTS, of(values_ms).percentiles(PERCENTS), strict=True):
        assert found == pytest.approx(nearest_rank(values_ms, percent), rel=0.01)


def test_the_error_holds_at_every_magnitude() -> None:
    value_ms = 0.01
    while value_ms <= 60_000:
        single = of([value_ms, value_ms * 10])  # the larger one keeps max_ms from correcting the smaller
        assert single.percentile(50) == pytest.approx(value_ms, rel=0.01)
        value_ms *= 1.003


@given(st.lists(st.lists(latencies_ms, max_size=50), max_size=8))
def test_merging_any_split_equals_pooling(parts: list[list[float]]) -> None:
    merged = Histogram()
    for part in parts:
        merged.merge(of(part))
    pooled = of([value_ms for part in parts for value_ms in part])
    assert (merged.buckets, merged.max_ms, merged.count) == (pooled.buckets, pooled.max_ms, pooled.count)


@given(st.lists(latencies_ms, min_size=1))
def test_the_maximum_is_exact_and_no_percentile_exceeds_it(values_ms: list[float]) -> None:
    histogram = of(values_ms)
    assert histogram.max_ms == max(values_ms)
    assert all(value is not None and value <= histogram.max_ms for value in histogram.percentiles(PERCENTS))


def test_an_empty_histogram_has_no_percentile() -> None:
    assert Histogram().percentiles((50, 99)) == [None, None]
    assert Histogram().count == 0


def test_percentiles_come_in_the_order_they_were_asked_for() -> None:
    histogram = of([float(value) for value in range(1, 101)])
    p99, p50 = histogram.percentiles((99, 50))
    assert p99 == histogram.percentile(99)
    assert p50 == histogram.percentile(50)


@pytest.mark.parametrize("value_ms", [0.0, -5.0, float("nan"), 0.0005])
def test_a_value_below_a_microsecond_counts_in_the_first_bucket(value_ms: float) -> None:
    assert of([value_ms]).buckets == {0: 1}


@given(st.lists(st.floats(0, 1e12)))
def test_the_number_of_buckets_is_bounded_for_any_value(values_ms: list[float]) -> None:
    assert all(0 <= bucket <= 1112 for bucket in of(values_ms).buckets)


@given(st.lists(latencies_ms))
def test_a_histogram_survives_the_wire(values_ms: list[float]) -> None:
    histogram = of(values_ms)
    read = Histogram.decode(histogram.encode())
    assert (read.buckets, read.max_ms) == (histogram.buckets, histogram.max_ms)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x01", msgspec.msgpack.encode((1.0, {"a": 1}))])
def test_what_is_no_histogram_is_refused(data: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, msgspec.ValidationError)):
        Histogram.decode(data)


def test_tallies_add_up() -> None:
    tally = EndpointStats(2, 1, 100, of([1.0, 2.0]))
    tally.merge(EndpointStats(3, 0, 50, of([3.0, 4.0, 5.0])))
    assert (tally.total, tally.failed, tally.received_bytes) == (5, 1, 150)
    assert tally.histogram.buckets == of([1.0, 2.0, 3.0, 4.0, 5.0]).buckets


@given(st.lists(st.floats(0.001, 1e6), max_size=50), st.floats(0.001, 1e6))
def test_the_part_from_a_latency_on_has_no_shorter_one_and_lacks_few(latencies_ms: list[float], min_ms: float) -> None:
    """The part of a histogram from a bound on has no shorter latency; it may lack those in the bucket of the bound."""
    part = of(latencies_ms).part_from(min_ms)
    assert part.count <= sum(latency_ms >= min_ms * (1 - 1e-6) for latency_ms in latencies_ms)
    assert part.count >= sum(latency_ms > min_ms * GAMMA * GAMMA for latency_ms in latencies_ms)


def test_service_times_follow_the_latencies_until_they_differ() -> None:
    """Tallies merge to the service times of all their requests, in either order, and neither changes what it was merged from."""
    equal, differing = (EndpointStats(1, histogram=of([8.0])), EndpointStats(1, histogram=of([9.0]), service=of([2.0])))
    for parts in ((equal, differing), (differing, equal)):
        whole = EndpointStats.merged(parts)
        assert whole.service_times.buckets == of([8.0, 2.0]).buckets
        assert whole.service_times.max_ms == 8.0
        assert whole.histogram.buckets == of([8.0, 9.0]).buckets
    assert equal.service is None
    assert EndpointStats.merged([equal, equal]).service is None
