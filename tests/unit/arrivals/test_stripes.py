"""A worker's arrivals out of what is dealt to it: its slots, in order, each once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.load.arrivals.schedule import ArrivalSchedule
from worker.load.arrivals.stripes import Arrival, Stripes
from worker.wire.messages import ArrivalDeal
from worker.wire.work import ArrivalPlan, RateSegment

TEN_PER_S = ArrivalSchedule(ArrivalPlan([RateSegment(100, 10, 10, 0)], 0))


def taken(stripes: Stripes) -> list[Arrival]:
    found = []
    while (arrival := stripes.next()) is not None:
        found.append(arrival)
    return found


def test_an_arrival_has_the_time_of_the_workers_clock_its_class_and_its_number() -> None:
    """Of 20 arrivals in 7 slots a worker with three of these gets its own, with due times by its own clock."""
    stripes = Stripes(TEN_PER_S)
    assert stripes.next() is None
    stripes.accept(ArrivalDeal(0, 20, 5000.0, 0, 7, {"Reader": [1, 6], "Writer": [3]}))
    found = taken(stripes)
    assert [(arrival.number, arrival.user_class) for arrival in found] == [
        (1, "Reader"),
        (3, "Writer"),
        (6, "Reader"),
        (8, "Reader"),
        (10, "Writer"),
        (13, "Reader"),
        (15, "Reader"),
        (17, "Writer"),
    ]
    assert [arrival.due_s for arrival in found] == pytest.approx([5000.05 + arrival.number / 10 for arrival in found])
    assert stripes.next() is None
    assert stripes.dealt == 20


@given(
    st.integers(1, 40).flatmap(
        lambda period: st.tuples(
            st.just(period), st.sets(st.integers(0, period - 1)), st.sets(st.integers(0, period - 1))
        )
    ),
    st.integers(0, 100),
    st.lists(st.integers(0, 50), max_size=10),
)
def test_the_arrivals_are_those_of_the_slots(
    table: tuple[int, set[int], set[int]], base: int, lengths: list[int]
) -> None:
    """Range after range, whatever their lengths, exactly the arrivals in the worker's slots come, in order."""
    period, readers, writers = table
    stripes, first, found = Stripes(TEN_PER_S), 0, []
    for length in lengths:
        slots = {"Reader": sorted(readers), "Writer": sorted(writers - readers)}
        stripes.accept(ArrivalDeal(first, first + length, 0.0, base, period, slots))
        if length % 2:  # now and then it lags behind
            found += taken(stripes)
        first += length
    found += taken(stripes)
    owner = dict.fromkeys(writers, "Writer") | dict.fromkeys(readers, "Reader")
    assert [(arrival.number, arrival.user_class) for arrival in found] == [
        (number, owner[(number - base) % period]) for number in range(first) if (number - base) % period in owner
    ]
    assert all(before.due_s < after.due_s for before, after in pairwise(found))


def test_what_was_dealt_is_never_made_twice() -> None:
    """Deals that come again, or reach back, give only what no earlier one has given."""
    stripes = Stripes(TEN_PER_S)
    slots = {"Reader": [0]}
    stripes.accept(ArrivalDeal(0, 10, 0.0, 0, 2, slots))
    stripes.accept(ArrivalDeal(0, 10, 0.0, 0, 2, slots))
    stripes.accept(ArrivalDeal(6, 14, 0.0, 1, 2, slots))
    stripes.accept(ArrivalDeal(2, 5, 0.0, 0, 1, slots))
    assert [arrival.number for arrival in taken(stripes)] == [0, 2, 4, 6, 8, 11, 13]


def test_no_more_is_kept_than_what_is_not_taken() -> None:
    """After a day of deals nothing is kept but the one that is being taken."""
    stripes = Stripes(ArrivalSchedule(ArrivalPlan([RateSegment(86400, 10, 10, 0)], 0)))
    for first in range(0, 864_000, 20):
        stripes.accept(ArrivalDeal(first, first + 20, 0.0, 0, 1000, {"Reader": [first % 1000]}))
        while stripes.next() is not None:
            pass
        assert len(stripes._deals) == 0


def test_slots_that_change_are_those_of_the_deals_behind_them_alone() -> None:
    """A deal that is not taken yet keeps its slots and classes when another one has others."""
    stripes = Stripes(TEN_PER_S)
    stripes.accept(ArrivalDeal(0, 4, 0.0, 0, 2, {"Reader": [0]}))
    stripes.accept(ArrivalDeal(4, 8, 0.0, 0, 2, {"Reader": [0]}))
    stripes.accept(ArrivalDeal(8, 12, 0.0, 0, 2, {"Writer": [0]}))
    stripes.accept(ArrivalDeal(12, 18, 0.0, 0, 3, {"Writer": [0]}))
    found = [(arrival.number, arrival.user_class) for arrival in taken(stripes)]
    assert found == [
        *((number, "Reader") for number in (0, 2, 4, 6)),
        *((number, "Writer") for number in (8, 10, 12, 15)),
    ]


@pytest.mark.parametrize(
    ("deal", "message"),
    [
        (ArrivalDeal(5, 4, 0.0, 0, 1, {"Reader": [0]}), "arrivals 5 to 4 are dealt out of 1000"),
        (ArrivalDeal(0, 1001, 0.0, 0, 1, {"Reader": [0]}), "arrivals 0 to 1001 are dealt out of 1000"),
        (ArrivalDeal(0, 10, 0.0, 0, 2, {"Reader": [0, 2]}), "slots 0 to 2 are dealt out of 2"),
        (ArrivalDeal(0, 10, 0.0, 0, 2, {"Reader": [-1, 1]}), "slots -1 to 1 are dealt out of 2"),
        (ArrivalDeal(0, 10, 0.0, 0, 2, {"Reader": [1], "Writer": [1]}), "a slot is dealt out twice"),
    ],
)
def test_a_deal_that_is_none_is_refused_and_changes_nothing(deal: ArrivalDeal, message: str) -> None:
    """A deal outside of the plan, or with slots that are none, is refused, and the next good one is taken."""
    stripes = Stripes(TEN_PER_S)
    with pytest.raises(ValueError, match=message):
        stripes.accept(deal)
    stripes.accept(ArrivalDeal(0, 3, 0.0, 0, 1, {"Reader": [0]}))
    assert [arrival.number for arrival in taken(stripes)] == [0, 1, 2]


def test_a_deal_without_slots_gives_nothing() -> None:
    """A worker without users has no arrivals."""
    stripes = Stripes(TEN_PER_S)
    stripes.accept(ArrivalDeal(0, 10, 0.0, 0, 5, {}))
    stripes.accept(ArrivalDeal(10, 20, 0.0, 0, 5, {"Reader": []}))
    assert stripes.next() is None
