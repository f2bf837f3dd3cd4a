"""A user that is to move stays until the arrivals have been due that it was dealt."""

from __future__ import annotations

from master.fleet.kept_users import KeptUsers


def test_more_users_are_ordered_at_once() -> None:
    """A worker that is to run more users is ordered to at once."""
    kept = KeptUsers(6.0)
    assert kept.order("a", {"A": 1}, 0.0) == ({"A": 1}, None)
    assert kept.order("a", {"A": 3, "B": 1}, 1.0) == ({"A": 3, "B": 1}, None)


def test_fewer_users_are_ordered_when_their_arrivals_have_been_due() -> None:
    """A worker that is to run fewer users keeps them for the time given, and is then ordered to run fewer."""
    kept = KeptUsers(6.0)
    kept.order("a", {"A": 3}, 0.0)
    assert kept.order("a", {"A": 1}, 10.0) == ({"A": 3}, 6.0)
    assert kept.order("a", {"A": 1}, 13.0) == ({"A": 3}, 3.0)
    assert kept.order("a", {"A": 1}, 16.0) == ({"A": 1}, None)
    assert kept.order("a", {"A": 0}, 17.0) == ({"A": 1}, 6.0)


def test_one_class_may_grow_while_another_is_kept() -> None:
    """Users of one class start at once while those of another stay."""
    kept = KeptUsers(6.0)
    kept.order("a", {"A": 2, "B": 0}, 0.0)
    assert kept.order("a", {"A": 1, "B": 1}, 1.0) == ({"A": 2, "B": 1}, 6.0)
    assert kept.order("a", {"A": 1, "B": 1}, 7.0) == ({"A": 1, "B": 1}, None)


def test_users_that_are_wanted_again_end_the_waiting() -> None:
    """Where as many users are wanted again, a later decrease is given the whole time anew."""
    kept = KeptUsers(6.0)
    kept.order("a", {"A": 2}, 0.0)
    kept.order("a", {"A": 1}, 1.0)
    assert kept.order("a", {"A": 2}, 2.0) == ({"A": 2}, None)
    assert kept.order("a", {"A": 1}, 5.0) == ({"A": 2}, 6.0)


def test_users_that_go_one_by_one_each_stay_for_the_whole_time() -> None:
    """Where users move away second by second, each stays as long as the first: all have been dealt arrivals until they went."""
    kept = KeptUsers(6.0)
    kept.order("a", {"A": 5}, 0.0)
    ordered = [kept.order("a", {"A": max(1, 5 - second)}, float(second))[0]["A"] for second in range(1, 13)]
    assert ordered == [5, 5, 5, 5, 5, 5, 4, 3, 2, 1, 1, 1]
    assert not kept._earlier["a"]


def test_an_order_comes_again_when_the_next_user_may_go() -> None:
    """After each order it is known when the next one is due, until none stays that is not wanted."""
    kept = KeptUsers(6.0)
    kept.order("a", {"A": 3, "B": 2}, 0.0)
    assert kept.order("a", {"A": 2, "B": 2}, 1.0) == ({"A": 3, "B": 2}, 6.0)
    assert kept.order("a", {"A": 1, "B": 0}, 3.0) == ({"A": 3, "B": 2}, 4.0)
    assert kept.order("a", {"A": 1, "B": 0}, 7.0) == ({"A": 2, "B": 2}, 2.0)
    assert kept.order("a", {"A": 1, "B": 0}, 9.0) == ({"A": 1, "B": 0}, None)


def test_a_worker_that_left_keeps_none() -> None:
    """A worker that was forgotten is ordered as one that has nothing."""
    kept = KeptUsers(6.0)
    kept.order("a", {"A": 2}, 0.0)
    kept.forget("a")
    assert kept.order("a", {"A": 1}, 1.0) == ({"A": 1}, None)


def test_without_a_time_nothing_is_kept() -> None:
    """In the closed model a decrease is ordered at once."""
    kept = KeptUsers(0.0)
    kept.order("a", {"A": 2}, 0.0)
    assert kept.order("a", {"A": 1}, 1.0) == ({"A": 1}, None)
