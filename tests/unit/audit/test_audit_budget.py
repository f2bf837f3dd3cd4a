"""An audit keeps to its rate, number of requests, and time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.audit.budget import Budget, BudgetError, Limits


def test_requests_are_spread_by_the_rate() -> None:
    """Each request is due one period after the one before, without drift."""
    budget = Budget(Limits(rate_per_s=4.0), 100.0)
    assert [budget.take(100.0) for _ in range(4)] == [0.0, 0.25, 0.5, 0.75]


def test_time_that_was_not_used_is_not_made_up_for() -> None:
    """After a pause the rate is kept: there is no burst."""
    budget = Budget(Limits(rate_per_s=4.0), 100.0)
    budget.take(100.0)
    assert [budget.take(200.0), budget.take(200.0)] == [0.0, 0.25]


def test_the_number_of_requests_is_bounded() -> None:
    """The request after the last one is not counted, nor sent."""
    budget = Budget(Limits(rate_per_s=100.0, max_requests=2), 0.0)
    budget.take(0.0)
    budget.take(0.0)
    with pytest.raises(BudgetError, match="2 requests"):
        budget.take(0.0)
    assert budget.requests == 2


def test_nothing_is_due_after_the_end() -> None:
    """A request whose turn comes after the end of the time is refused at once."""
    budget = Budget(Limits(rate_per_s=0.5, max_duration_s=3.0), 10.0)
    assert [budget.take(10.0), budget.take(10.0)] == [0.0, 2.0]
    with pytest.raises(BudgetError, match="3 s"):
        budget.take(10.0)
    assert (budget.left_s(12.0), budget.left_s(14.0)) == (1.0, 0.0)


@given(st.lists(st.floats(0, 5), max_size=50), st.floats(0.5, 500))
def test_the_rate_is_never_exceeded(pauses: list[float], rate_per_s: float) -> None:
    """Whenever requests are asked for, two of them are a period apart."""
    budget, now_s, sent = Budget(Limits(rate_per_s, 100, 1e9), 0.0), 0.0, []
    for pause in pauses:
        now_s += pause
        now_s += budget.take(now_s)
        sent.append(now_s)
    assert all(later - earlier >= 1 / rate_per_s - 1e-6 for earlier, later in pairwise(sent))
