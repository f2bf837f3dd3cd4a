"""How many requests a bucket lets through, and what a refused caller is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.api.errors import ApiError
from master.target.streamgate.limiting.limiter import MAX_CALLERS, CallerLimits
from master.target.streamgate.limiting.token_bucket import BucketRule

RATES = st.floats(0.01, 1e5)
BURSTS = st.integers(1, 1000)
GAPS = st.lists(st.floats(0, 10), min_size=1, max_size=200)


def test_a_new_bucket_is_full_and_refills_at_its_rate() -> None:
    rule = BucketRule(rate_per_s=2, burst=3)
    full_at, left = 0.0, []
    for now in (100, 100, 100, 100, 100.4, 100.5, 100.5, 103):
        taken = rule.take(full_at, now)
        full_at = taken.full_at
        left.append(taken.left if taken.allowed else None)
    assert left == [2, 1, 0, None, None, 0, None, 2]


@given(RATES, BURSTS, GAPS)
def test_no_window_lets_through_more_than_a_burst_and_what_its_rate_adds(
    rate_per_s: float, burst: int, gaps_s: list[float]
) -> None:
    rule, full_at, now = BucketRule(rate_per_s, burst), 0.0, 1000.0
    allowed_at = []
    for gap_s in gaps_s:
        now += gap_s
        taken = rule.take(full_at, now)
        full_at = taken.full_at
        if taken.allowed:
            allowed_at.append(now)
            assert 0 <= taken.left < burst
    for first, start in enumerate(allowed_at):
        for count, end in enumerate(allowed_at[first:], 1):
            assert count <= burst + rate_per_s * (end - start + 2e-8) + 1e-6


@given(RATES, BURSTS, GAPS)
def test_who_waits_as_long_as_told_is_let_through(rate_per_s: float, burst: int, gaps_s: list[float]) -> None:
    """And the refused request itself puts nothing off."""
    rule, full_at, now = BucketRule(rate_per_s, burst), 0.0, 1000.0
    for gap_s in gaps_s:
        now += gap_s
        taken = rule.take(full_at, now)
        if not taken.allowed:
            assert taken.full_at == full_at
            assert 0 < taken.wait_s <= 1 / rate_per_s + 1e-8
            now += taken.wait_s
            taken = rule.take(full_at, now)
            assert taken.allowed
        full_at = taken.full_at


def test_a_refused_caller_is_told_when_to_come_again_and_others_are_not_touched() -> None:
    now = 50.0
    limits = CallerLimits(0.5, 1, timer=lambda: now)
    assert limits.take("a") == (
        (b"ratelimit-policy", b'"caller";q=1;w=2'),
        (b"ratelimit", b'"caller";r=0;t=2'),
    )
    with pytest.raises(ApiError) as refused:
        limits.take("a")
    assert refused.value.status == 429
    assert refused.value.headers == {
        "retry-after": "2",
        "ratelimit-policy": '"caller";q=1;w=2',
        "ratelimit": '"caller";r=0;t=2',
    }
    limits.take("b")
    now += 2
    limits.take("a")
    assert (limits.allowed, limits.refused, limits.callers) == (3, 1, 2)


def test_callers_without_number_take_no_memory_without_end() -> None:
    """The one that has not asked for longest is forgotten, and with it at most a bucket that was filling up."""
    limits = CallerLimits(0.01, 1, timer=lambda: 0.0)
    limits.take("first")
    for number in range(MAX_CALLERS - 1):
        limits.take(f"caller{number}")
    with pytest.raises(ApiError):
        limits.take("first")  # known yet, and now the last that has asked
    limits.take("one more")
    limits.take("caller0")
    with pytest.raises(ApiError):
        limits.take("first")
    assert limits.callers == MAX_CALLERS
