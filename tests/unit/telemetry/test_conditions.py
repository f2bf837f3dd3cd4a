"""Four conditions in one number, each true, false or unknown, and what has held over time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.telemetry.conditions import (
    ALL,
    FREQUENCY_CAPPED,
    SOFT_LIMITED,
    THROTTLED,
    UNDER_VOLTAGE,
    UNKNOWN,
    Accumulator,
    flag_state,
    is_active,
    merge_flags,
    pack_flags,
)

EACH = (UNDER_VOLTAGE, FREQUENCY_CAPPED, THROTTLED, SOFT_LIMITED)
numbers = st.integers(0, 0xFF)
words = st.integers(0, ALL)


def states(conditions: int) -> list[bool | None]:
    return [flag_state(conditions, which) for which in EACH]


def test_nothing_told_is_nothing_known() -> None:
    """A condition of which nothing was said is unknown, and not false."""
    assert states(UNKNOWN) == [None] * 4
    assert states(pack_flags(0)) == [False] * 4
    assert states(pack_flags(THROTTLED, THROTTLED | UNDER_VOLTAGE)) == [False, None, True, None]


@given(words, words)
def test_what_is_told_is_what_is_read(holding: int, known: int) -> None:
    """Packed conditions are one byte and are read as they were packed."""
    conditions = pack_flags(holding, known)
    assert 0 <= conditions <= 0xFF
    assert states(conditions) == [bool(holding & which) if known & which else None for which in EACH]


@given(numbers, words)
def test_only_what_is_known_holds(conditions: int, which: int) -> None:
    """A condition is active only if it is known, whatever number a peer sends."""
    assert is_active(conditions, which) == any(flag_state(conditions, each) is True for each in EACH if each & which)


def either_of(one: bool | None, other: bool | None) -> bool | None:
    if one or other:
        return True
    return None if None in (one, other) else False


@given(numbers, numbers)
def test_at_one_time_or_another_unknown_is_not_false(one: int, other: int) -> None:
    """Merged flags are true if either is, unknown if either is unknown and none is true, else false."""
    expected = [either_of(a, b) for a, b in zip(states(one), states(other), strict=True)]
    assert states(merge_flags(one, other)) == expected
    assert merge_flags(one, other) == merge_flags(other, one)


def test_what_has_held_once_has_held_since_the_start() -> None:
    """A condition that was once true stays true since the start, and since the sample before only in the next one."""
    accumulator = Accumulator()
    assert accumulator.add(pack_flags(0), None) == (pack_flags(0), pack_flags(0))
    assert accumulator.add(pack_flags(THROTTLED), None) == (pack_flags(THROTTLED), pack_flags(THROTTLED))
    assert accumulator.add(pack_flags(0), None) == (pack_flags(0), pack_flags(THROTTLED))


def test_a_gap_in_what_is_known_stays_unknown_for_ever() -> None:
    """After a gap a condition since the start stays unknown unless it becomes true; the time before the first answer is no gap."""
    accumulator = Accumulator()
    assert accumulator.add(UNKNOWN, None) == (UNKNOWN, UNKNOWN)
    assert accumulator.add(pack_flags(0), None)[1] == pack_flags(0)
    assert accumulator.add(UNKNOWN, None)[1] == UNKNOWN
    assert accumulator.add(pack_flags(0), None)[1] == UNKNOWN
    assert accumulator.add(pack_flags(SOFT_LIMITED), None)[1] == pack_flags(SOFT_LIMITED, SOFT_LIMITED)


@pytest.mark.parametrize(
    ("occurred", "lately"),
    [
        pytest.param([0, UNDER_VOLTAGE], pack_flags(UNDER_VOLTAGE), id="risen: it was in between"),
        pytest.param([UNDER_VOLTAGE], pack_flags(0), id="at the first sample it may be of any time"),
        pytest.param([UNDER_VOLTAGE, UNDER_VOLTAGE], pack_flags(0), id="still set: it may be the old one"),
        pytest.param([UNDER_VOLTAGE, 0], pack_flags(0), id="cleared by the driver"),
        pytest.param([None, UNDER_VOLTAGE], pack_flags(0), id="after an unknown one it may be of any time"),
        pytest.param([UNDER_VOLTAGE, 0, UNDER_VOLTAGE], pack_flags(UNDER_VOLTAGE), id="once more"),
    ],
)
def test_a_short_event_between_two_samples_is_seen_by_its_bit(occurred: list[int | None], lately: int) -> None:
    """The firmware's "has occurred" bit, which others may clear, shows an event between two samples when it rises."""
    accumulator = Accumulator()
    for each in occurred:
        found = accumulator.add(pack_flags(0), each)
    assert found == (lately, lately)


@given(st.lists(st.tuples(numbers, st.none() | words)))
def test_since_the_start_is_never_better_than_since_the_sample_before(samples: list[tuple[int, int | None]]) -> None:
    """A condition true now is true since the sample before and since the start, and one unknown now was not false since
    the start.
    """
    accumulator = Accumulator()
    for now, occurred in samples:
        lately, since_start = accumulator.add(now, occurred)
        for which in EACH:
            if flag_state(now, which):
                assert flag_state(lately, which)
            if flag_state(lately, which):
                assert flag_state(since_start, which)
            if flag_state(lately, which) is None:
                assert flag_state(since_start, which) is not False
