"""A peer's clock is mapped to the controller's within known bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.fleet.clocks import DRIFT, ClockMap

# Multiples of a power of two are exact in floating point, so that what is proven is the mapping and not the rounding.
delays_s = st.integers(0, 1 << 12).map(lambda ticks: ticks / 1024)
# DRIFT is no such multiple. Offsets up to 2**30 s are kept to 2**-22 s.
ROUNDING_S = 2**-22
offsets_s = st.integers(-(1 << 40), 1 << 40).map(lambda ticks: ticks / 1024)


@given(offsets_s, st.lists(delays_s, min_size=1), delays_s)
def test_without_answers_a_mapped_time_is_never_early_and_late_by_the_shortest_delay_at_most(
    offset_s: float, late_s: list[float], peer_s: float
) -> None:
    """Without answers a mapped time is never early, and late by at most the shortest delay, however the clocks differ."""
    clock = ClockMap()
    assert not clock.known
    for number, delay_s in enumerate(late_s):
        sent_s = number / 1024
        clock.observe(sent_s, sent_s + offset_s + delay_s)
    assert clock.known
    assert clock.error_s is None
    passed_s = max(late_s) + len(late_s) / 1024
    allowed_s = min(late_s) + DRIFT * passed_s + ROUNDING_S
    assert 0 <= clock.to_local(peer_s) - (peer_s + offset_s) <= allowed_s


@given(offsets_s, st.lists(st.tuples(delays_s, delays_s), min_size=1, max_size=20))
def test_with_answers_the_error_is_known_and_never_larger(offset_s: float, ways_s: list[tuple[float, float]]) -> None:
    """The true offset is within the reported error, however unlike the delays of question and answer are."""
    clock = ClockMap()
    for number, (there_s, back_s) in enumerate(ways_s):
        asked_s = offset_s + number / 8
        clock.observe_reply(asked_s, asked_s + there_s - offset_s, asked_s + there_s + back_s)
    assert clock.error_s is not None
    assert abs(clock.to_local(0.0) - offset_s) <= clock.error_s + ROUNDING_S
    assert clock.error_s <= min(there_s + back_s for there_s, back_s in ways_s) / 2 + DRIFT * 20


def test_an_hour_apart_or_ten_days_the_mapping_is_as_good() -> None:
    """The mapping is as good for any offset, since the epoch of a monotonic clock means nothing."""
    for offset_s in (-3600.0, 3600.0, 864_000.0):
        clock = ClockMap()
        clock.observe_reply(100.0, 100.001 - offset_s, 100.002)
        assert clock.to_local(200.0 - offset_s) == pytest.approx(200.0, abs=1e-6)


@pytest.mark.parametrize("drift", [-100e-6, 100e-6])
def test_clocks_that_part_are_followed(drift: float) -> None:
    """A clock that drifts by 100 ppm for a day, asked every 5 s with a way of 2 ms, is never mapped wrong by more than 2 ms."""
    clock = ClockMap()
    for now_s in range(0, 86_400, 5):
        answered_s = (now_s + 0.001) * (1 + drift)
        clock.observe_reply(now_s, answered_s, now_s + 0.002)
        assert clock.to_local(answered_s) == pytest.approx(now_s + 0.001, abs=0.002)


@pytest.mark.parametrize("jump_s", [-7200.0, -1.0, 1.0, 7200.0])
def test_a_clock_that_jumps_is_right_again_with_the_next_answer(jump_s: float) -> None:
    """A clock that jumps, as one that stood still while its machine slept, is right at the next answer, and reported once."""
    clock = ClockMap()
    for now_s in range(0, 600, 5):
        offset_s = 50.0 if now_s < 300 else 50.0 + jump_s
        clock.observe_reply(now_s, now_s + 0.001 - offset_s, now_s + 0.002)
        assert clock.pop_jump() == (now_s == 300)
        assert clock.to_local(now_s - offset_s) == pytest.approx(now_s, abs=0.002)


@given(offsets_s, st.lists(st.tuples(delays_s, delays_s), min_size=1, max_size=5), offsets_s)
def test_a_time_of_ours_is_mapped_back_to_what_it_was_of_the_peer(
    offset_s: float, delays: list[tuple[float, float]], peer_s: float
) -> None:
    """A time that is mapped to the controller's clock and back is the same again."""
    clock = ClockMap()
    for number, (there_s, back_s) in enumerate(delays):
        asked_s = 16.0 * number
        clock.observe_reply(asked_s, asked_s + there_s - offset_s, asked_s + there_s + back_s)
    assert clock.to_peer(clock.to_local(peer_s)) == pytest.approx(peer_s, abs=1e-3)
