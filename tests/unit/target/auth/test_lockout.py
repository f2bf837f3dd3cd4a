"""When failed sign-ins lock a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.auth.lockout import Failures, LockoutRules

RULES = LockoutRules(failures=3, within_s=100.0, lock_s=30.0)


def locked_for_s(*failed_at: float, now: float, rules: LockoutRules = RULES) -> float:
    """For how long a name is locked at `now` that failed at these times."""
    known: Failures | None = None
    for at in failed_at:
        known = rules.after_failure(known, at)
    return rules.locked_for_s(known, now)


@pytest.mark.parametrize(
    ("failed_at", "now", "expected_s"),
    [
        ((), 0.0, 0.0),
        ((0.0, 1.0), 1.0, 0.0),
        ((0.0, 1.0, 2.0), 2.0, 30.0),
        ((0.0, 1.0, 2.0), 31.5, 0.5),
        ((0.0, 1.0, 2.0), 32.0, 0.0),
        ((0.0, 1.0, 100.0), 100.0, 0.0),  # the first is forgotten, and with it the second
        ((0.0, 1.0, 99.9), 99.9, 30.0),
        ((0.0, 1.0, 2.0, 33.0, 34.0), 34.0, 0.0),  # after a lock it takes as many again
        ((0.0, 1.0, 2.0, 33.0, 34.0, 35.0), 35.0, 30.0),
    ],
)
def test_so_many_failures_within_a_time_lock_a_name_for_a_time(
    failed_at: tuple[float, ...], now: float, expected_s: float
) -> None:
    assert locked_for_s(*failed_at, now=now) == pytest.approx(expected_s)


def test_with_no_number_of_failures_nothing_is_locked() -> None:
    assert locked_for_s(*[0.0] * 1000, now=0.0, rules=LockoutRules(failures=0)) == 0


@given(st.lists(st.floats(0, 1e6), max_size=30).map(sorted), st.floats(0, 1e6))
def test_what_is_forgotten_says_nothing(failed_at: list[float], later: float) -> None:
    """From `forgotten_at` on, a name is treated as one that nothing is known of."""
    known: Failures | None = None
    for at in failed_at:
        known = RULES.after_failure(known, at)
    if known is None:
        return
    now = RULES.forgotten_at(known) + later
    assert RULES.locked_for_s(known, now) == 0
    assert RULES.after_failure(known, now).count == RULES.after_failure(None, now).count
