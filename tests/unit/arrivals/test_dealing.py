"""Arrivals dealt out to workers: each is made once, by a worker that has users, whoever comes and goes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from master.load.dealer import ArrivalDealer
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.load.arrivals.stripes import Stripes
from worker.wire.messages import ArrivalPlan, RateSegment

fleets = st.dictionaries(
    st.sampled_from([f"pi{number:03}_0" for number in range(12)]),
    st.fixed_dictionaries({}, optional={"Reader": st.integers(0, 30), "Writer": st.integers(0, 5)}),
)


@given(
    fleets=st.lists(fleets, min_size=1, max_size=8),
    rate=st.floats(0, 300),
    sooner=st.lists(st.floats(0, 1.5), min_size=1, max_size=20),
    poisson=st.booleans(),
)
def test_every_arrival_is_made_once_whoever_has_users_when_it_is_dealt(
    fleets: list[dict[str, dict[str, int]]], rate: float, sooner: list[float], poisson: bool
) -> None:
    """Every arrival of the plan is dealt to one worker or skipped, while the users of every worker change all the time."""
    plan = ArrivalPlan(
        [RateSegment(20.0, 0.0, rate, 0, poisson=poisson), RateSegment(10.0, rate, rate, 0, poisson=poisson)], 5
    )
    dealer = ArrivalDealer(ArrivalSchedule(plan))
    workers: dict[str, Stripes] = {}
    made: Counter[int] = Counter()
    now_s, turn = -5.0, 0
    while now_s < 40:
        for worker, deal in dealer.deal(now_s, fleets[turn % len(fleets)]).items():
            stripes = workers.setdefault(worker, Stripes(ArrivalSchedule(plan)))
            stripes.accept(deal)
            while (arrival := stripes.next()) is not None:
                assert deal.first <= arrival.number < deal.end
                assert arrival.due_s >= now_s - 1
                made[arrival.number] += 1
        now_s += 0.5 + sooner[turn % len(sooner)]
        turn += 1
    assert set(made.values()) <= {1}
    assert len(made) + dealer.skipped == ArrivalSchedule(plan).total or not any(
        sum(f.values()) for fleet in fleets for f in fleet.values()
    )
