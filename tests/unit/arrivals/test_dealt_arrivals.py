"""A deal of the controller's is taken in only if it can be meant for this worker, now."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import gevent
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.load.arrivals.dealt import MAX_AHEAD_S, MAX_PAST_S, DealtArrivals
from worker.load.arrivals.timer import ArrivalTimer
from worker.load.histogram import ArrivalTally
from worker.wire.messages import ArrivalDeal
from worker.wire.work import ArrivalPlan, RateSegment

PLAN = ArrivalPlan([RateSegment(10.0, 10.0, 10.0, 0)], 1)
TOTAL = 100
NOW_S = 5000.0


class Silent:
    """An alarm that never rings."""

    def __init__(self, _: object) -> None:
        pass

    def set(self, at_s: float | None) -> None:
        """As Alarm.set."""


def dealt(now_s: float = NOW_S) -> DealtArrivals:
    """Return the arrivals of a worker to which none have been dealt."""
    return DealtArrivals(
        PLAN, ArrivalTimer(Silent, lambda: now_s), lambda *_: ArrivalTally(), ["Visitor", "Buyer"], lambda: now_s
    )


def wire(
    *,
    first: Any = 0,
    end: Any = TOTAL,
    start_s: Any = NOW_S,
    base: Any = 0,
    period: Any = 2,
    slots: Mapping[str, list[int]] | None = None,
) -> Any:
    """Return a deal as it comes over the wire."""
    data = [first, end, start_s, base, period, {"Visitor": [0], "Buyer": [1]} if slots is None else slots]
    return msgspec.msgpack.decode(msgspec.msgpack.encode(data))


def test_a_deal_of_the_controller_s_own_making_is_taken_in() -> None:
    arrivals = dealt()
    deal = ArrivalDeal(0, TOTAL, NOW_S, 0, 2, {"Visitor": [0], "Buyer": [1]})
    arrivals.accept(msgspec.msgpack.decode(msgspec.msgpack.encode(deal)))
    assert arrivals.starter.at_s == pytest.approx(NOW_S + 0.05)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (None, "Expected `array`"),
        ([], "Expected `array` of at least length 6"),
        (wire(first=-1), ">= 0"),
        (wire(end=TOTAL + 1), "arrivals 0 to 101 are dealt out of 100"),
        (wire(first=9, end=8), "arrivals 9 to 8"),
        (wire(first="0"), "Expected `int`"),
        (wire(start_s=math.nan), "due in nan"),
        (wire(start_s=math.inf), "due in inf"),
        (wire(start_s=-math.inf), "due in -inf"),
        (wire(start_s=NOW_S - MAX_PAST_S - 1), "due in -60.950 to"),
        (wire(start_s=NOW_S + MAX_AHEAD_S), "to 609.950 s"),
        (wire(period=0), ">= 1"),
        (wire(period=1), "slots 0 to 1 are dealt out of 1"),
        (wire(slots={"Visitor": [0, 0]}), "a slot is dealt out twice"),
        (wire(slots={"Nobody": [0]}), "unknown classes: ['Nobody']"),
        (wire(slots={"x" * 5000: [0]}), "unknown classes"),
    ],
)
def test_what_can_not_be_meant_is_refused_and_changes_nothing(data: Any, fault: str) -> None:
    arrivals = dealt()
    with pytest.raises(ValueError, match=re.escape(fault)) as refused:
        arrivals.accept(data)
    assert len(str(refused.value)) < 400
    assert arrivals.starter.at_s is None
    arrivals.accept(wire())
    assert arrivals.starter.at_s is not None


def test_what_was_due_before_the_machine_started_is_refused() -> None:
    """Its seconds could not be reported."""
    with pytest.raises(ValueError, match="due in"):
        dealt(now_s=10.0).accept(wire(start_s=-0.1))


def test_a_deal_of_no_arrivals_is_nothing() -> None:
    arrivals = dealt()
    arrivals.accept(wire(first=TOTAL, end=TOTAL))
    assert arrivals.starter.at_s is None


def test_what_was_dealt_before_is_not_dealt_again() -> None:
    """A controller that is not sure that a deal arrived may send it once more."""
    arrivals = dealt()
    for _ in range(2):
        arrivals.accept(wire(end=1))
    assert arrivals.starter.at_s is not None
    assert arrivals._next() is None


def test_after_the_end_of_the_load_a_deal_is_refused_until_it_begins_again() -> None:
    arrivals = dealt()
    arrivals.end()
    with pytest.raises(ValueError, match="the load has ended"):
        arrivals.accept(wire())
    arrivals.open()
    arrivals.accept(wire())
    assert arrivals.starter.at_s is not None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)
nearly = st.tuples(
    st.integers(-2, TOTAL + 2),
    st.integers(-2, TOTAL + 2),
    st.floats(),
    st.integers(-2, 1 << 54),
    st.integers(-1, 5),
    st.dictionaries(st.sampled_from(["Visitor", "Buyer", "Nobody"]), st.lists(st.integers(-1, 5), max_size=4)),
).map(list)


@given(values | nearly)
def test_whatever_comes_is_taken_in_or_refused(data: Any) -> None:
    """With no other exception, and what is taken in can be worked out to its end."""
    arrivals = dealt()
    try:
        arrivals.accept(data)
    except ValueError:
        return
    for _ in range(TOTAL + 1):
        if arrivals._next() is None:
            return
    raise AssertionError("more arrivals than there are")


def test_a_load_that_begins_again_while_its_end_is_decided_has_arrivals_again() -> None:
    """Another controller may go on with the load while what was due at its end is not decided yet: its deals are taken in."""
    arrivals = dealt()
    arrivals.accept(wire(start_s=NOW_S - 0.06))
    ending = gevent.spawn(arrivals.end)
    gevent.sleep(0)
    arrivals.open()
    assert not ending.ready()
    arrivals.starter.step()  # the one that was due: nobody is free,
    arrivals.starter.step()  # and its wait is over
    ending.join(timeout=5)
    assert ending.successful()
    arrivals.accept(wire(first=10, start_s=NOW_S - 0.06))
    assert arrivals.starter.at_s == pytest.approx(NOW_S - 0.06 + 1.05)


def test_after_the_end_of_the_load_nothing_is_taken_in() -> None:
    arrivals = dealt()
    arrivals.end()
    with pytest.raises(ValueError, match="the load has ended here"):
        arrivals.accept(wire())
