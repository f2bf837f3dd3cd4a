"""The dealer: ranges of arrivals, ahead of time, each dealt once, to the workers that have users just then."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.load.dealer import ArrivalDealer
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.wire.messages import ArrivalDeal
from worker.wire.work import ArrivalPlan, RateSegment

fleets = st.dictionaries(
    st.integers(0, 11).map("pi{:03}_0".format),
    st.fixed_dictionaries({}, optional={"Reader": st.integers(0, 30), "Writer": st.integers(0, 5)}),
)


def dealer_of(rate_per_s: float, duration_s: float, *, poisson: bool = False) -> ArrivalDealer:
    segment = RateSegment(duration_s, rate_per_s, rate_per_s, 0, poisson=poisson)
    return ArrivalDealer(ArrivalSchedule(ArrivalPlan([segment], 5)))


def numbers_of(deal: ArrivalDeal) -> list[int]:
    """The arrivals of a deal, by the meaning of its fields."""
    slots = {slot for numbers in deal.slots.values() for slot in numbers}
    return [number for number in range(deal.first, deal.end) if (number - deal.base) % deal.period in slots]


@given(
    fleets=st.lists(fleets, min_size=1, max_size=8),
    rate_per_s=st.floats(0, 300),
    pauses_s=st.lists(st.floats(0.1, 5), min_size=1, max_size=20),
    poisson=st.booleans(),
)
def test_every_arrival_is_dealt_to_one_worker_or_skipped(
    fleets: list[dict[str, dict[str, int]]], rate_per_s: float, pauses_s: list[float], *, poisson: bool
) -> None:
    """Whatever users each worker has, changing all the time, and however long it takes: every arrival is dealt or skipped once."""
    dealer = dealer_of(rate_per_s, 30.0, poisson=poisson)
    total = dealer_of(rate_per_s, 30.0)._schedule.total
    dealt: Counter[int] = Counter()
    now_s, turn = -5.0, 0
    while now_s < 32:
        users = fleets[turn % len(fleets)]
        for worker, deal in dealer.deal(now_s, users).items():
            numbers = numbers_of(deal)
            assert numbers
            assert all(users[worker][name] for name in deal.slots)
            dealt.update(numbers)
        now_s += pauses_s[turn % len(pauses_s)]
        turn += 1
    assert set(dealt.values()) <= {1}
    assert len(dealt) + dealer.skipped == total or not dealer.done
    dealer.deal(40.0, {})
    assert dealer.done
    assert len(dealt) + dealer.skipped == total


def test_arrivals_are_dealt_an_epoch_at_a_time_and_well_ahead() -> None:
    """Asked each second, it deals two seconds of arrivals every other time, three seconds or more before they are due."""
    dealer = dealer_of(10, 20)
    found = []
    for now_s in range(-4, 20):
        deals = dealer.deal(now_s, {"pi000_0": {"Reader": 1}})
        found += [(now_s, deal.first, deal.end) for deal in deals.values()]
    assert found == [
        (now_s, first, first + 20) for now_s, first in zip(range(-2, 18, 2), range(0, 200, 20), strict=True)
    ]
    assert dealer.done


def test_who_asks_late_gets_all_that_is_due_by_then() -> None:
    """After a pause all that became due is dealt at once, but for what nobody could start any more."""
    dealer = dealer_of(10, 100)
    users = {"pi000_0": {"Reader": 1}}
    assert [(deal.first, deal.end) for deal in dealer.deal(0, users).values()] == [(0, 40)]
    assert [(deal.first, deal.end) for deal in dealer.deal(3, users).values()] == [(40, 60)]
    assert [(deal.first, deal.end) for deal in dealer.deal(20, users).values()] == [(190, 240)]
    assert dealer.skipped == 130


def test_without_workers_nothing_is_dealt_until_one_comes() -> None:
    """While no worker has users arrivals stay, and those that became too late meanwhile are skipped."""
    dealer = dealer_of(10, 100)
    for now_s in range(9):
        assert dealer.deal(now_s, {}) == {}
    assert [(deal.first, deal.end) for deal in dealer.deal(9, {"pi000_0": {"Reader": 2}}).values()] == [(80, 120)]
    assert (dealer.skipped, dealer.dealt) == (80, 120)


def test_another_dealer_goes_on_where_it_is_told() -> None:
    """A dealer that resumes at an arrival deals it and those after it, and none before."""
    dealer = dealer_of(10, 100)
    dealer.resume_at(57)
    assert dealer.deal(0, {"pi000_0": {"Reader": 1}}) == {}
    assert [(deal.first, deal.end) for deal in dealer.deal(5, {"pi000_0": {"Reader": 1}}).values()] == [(57, 80)]


def test_a_worker_with_no_arrival_in_a_range_gets_no_message() -> None:
    """At one arrival per second, 100 workers do not get 100 messages for two arrivals; all get their turn."""
    dealer = dealer_of(1, 100)
    users = {f"pi{number:03}_0": {"Reader": 1} for number in range(100)}
    turns: Counter[str] = Counter()
    for now_s in range(0, 100, 2):
        deals = dealer.deal(now_s, users)
        assert len(deals) <= 4
        turns.update(deals.keys())
    assert turns == dict.fromkeys(users, 1)


def test_a_worker_gets_arrivals_as_it_has_users() -> None:
    """Of workers with 1, 2 and 5 users each gets its share of every epoch, to within an arrival or two."""
    dealer = dealer_of(37, 200)
    users = {"pi000_0": {"Reader": 1}, "pi001_0": {"Reader": 1, "Writer": 1}, "pi002_0": {"Reader": 5}}
    for now_s in range(200):
        for worker, deal in dealer.deal(now_s, users).items():
            share = sum(users[worker].values()) / 8
            assert len(numbers_of(deal)) == pytest.approx(share * (deal.end - deal.first), abs=2)


def test_users_that_move_all_the_time_leave_every_worker_its_share() -> None:
    """Where slots are dealt anew in every epoch, which has fewer arrivals than slots, all workers get as many nevertheless."""
    dealer = dealer_of(100, 200)
    turns: Counter[str] = Counter()
    for now_s in range(200):
        users = {f"pi{number:03}_0": {"Reader": 4 + (number == now_s % 500)} for number in range(500)}
        for worker, deal in dealer.deal(now_s, users).items():
            turns[worker] += len(numbers_of(deal))
    assert turns.total() == 20_000
    assert all(turns[f"pi{number:03}_0"] == pytest.approx(40, abs=6) for number in range(500))


def test_who_stays_hardly_notices_that_another_worker_has_left() -> None:
    """When one of 100 workers leaves, the next arrival of each other one comes in 0.8 to 2.2 of its usual gaps: none in a rush."""
    dealer = dealer_of(500, 60)
    users = {f"pi{number:03}_0": {"Reader": 3 + number % 2, "Writer": 1} for number in range(100)}
    latest: dict[str, int] = {}
    for now_s in range(0, 30, 2):
        latest |= {worker: numbers_of(deal)[-1] for worker, deal in dealer.deal(now_s, users).items()}
    del users["pi007_0"]
    deals = dealer.deal(30, users)
    assert len(deals) == 99
    for worker, deal in deals.items():
        usual = deal.period / sum(users[worker].values())
        assert 0.8 * usual <= numbers_of(deal)[0] - latest[worker] <= 2.2 * usual


def test_users_are_looked_at_when_they_are_dealt() -> None:
    """The dealer keeps no hold on the mapping that it was given: users that change in it change what is dealt."""
    dealer = dealer_of(10, 100)
    users = {"pi000_0": {"Reader": 1}}
    dealer.deal(0, users)
    users["pi000_0"]["Reader"] = 0
    users["pi001_0"] = {"Reader": 3}
    assert list(dealer.deal(2, users)) == ["pi001_0"]


def test_a_deal_stays_as_it_was_when_slots_change() -> None:
    """A deal that waits to be sent is not changed by later ones."""
    dealer = dealer_of(10, 100)
    first = dealer.deal(0, {"pi000_0": {"Reader": 2}})["pi000_0"]
    dealer.deal(2, {"pi000_0": {"Reader": 3}})
    assert first == ArrivalDeal(0, 40, 0.0, 0, 2, {"Reader": [0, 1]})
