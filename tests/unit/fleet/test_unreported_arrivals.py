"""A worker can report only arrivals that it was dealt, each once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from master.fleet.reports.unreported_arrivals import UnreportedArrivals, count_arrivals
from worker.wire.messages import ArrivalDeal
from worker.wire.reports import ArrivalSecond


@given(
    first=st.integers(0, 10_000),
    length=st.integers(0, 300),
    behind_base=st.integers(0, 10_000),
    period=st.integers(1, 40),
    data=st.data(),
)
def test_arrivals_are_counted_as_they_lie_in_slots(
    first: int, length: int, behind_base: int, period: int, data: st.DataObject
) -> None:
    """The count of a deal is that of the indices whose slot is one of the worker's, for each class."""
    owners = data.draw(st.lists(st.sampled_from(["A", "B", None]), min_size=period, max_size=period))
    slots = {name: [slot for slot, owner in enumerate(owners) if owner == name] for name in ("A", "B")}
    base = max(0, first - behind_base)
    deal = ArrivalDeal(first, first + length, 0.0, base, period, slots)
    expected = {
        name: sum((index - base) % period in own for index in range(first, first + length))
        for name, own in slots.items()
    }
    assert count_arrivals(deal) == expected


def row(name: str, started: int, missed: int = 0, given_up: int = 0) -> ArrivalSecond:
    return ArrivalSecond(name, started, missed, 0, given_up, 1.0, {1: started} if started else {})


def test_more_than_was_dealt_is_refused_and_not_counted() -> None:
    """A report of more arrivals than were dealt is refused, and what was dealt can be reported still."""
    dealt = UnreportedArrivals()
    dealt.deal("a", {"A": 10})
    assert not dealt.take("a", [row("A", 8, 2, 1)])
    assert dealt.take("a", [row("A", 6, 1, 1)])
    assert dealt.take("a", [row("A", 2)])
    assert not dealt.take("a", [row("A", 1)])
    assert not dealt.take("a", [row("B", 0, 1)])
    assert not dealt.take("b", [row("A", 1)])


def test_what_another_controller_dealt_may_be_anybodys_once() -> None:
    """In a run that went on, what the controller before dealt may be any worker's, of any class, and all together report no more."""
    dealt = UnreportedArrivals(earlier=5)
    dealt.deal("b", {"A": 2})
    assert dealt.take("a", [row("A", 3)])
    assert not dealt.take("b", [row("A", 5)])
    assert dealt.take("b", [row("A", 3), row("B", 0, 1)])
    assert not dealt.take("a", [row("A", 1)])
