"""A whole fleet in virtual time: dispatch, dealer and stripes together, while nodes die, join, restart and get hot.

Nothing here waits, and no clock is read. Each arrival of the plan has exactly one end: started, missed, given up, skipped, or lost
with the worker that it had been dealt to.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from master.fleet.dispatch import Dispatch
from master.load.dealer import MAX_LATE_S, ArrivalDealer
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.load.arrivals.stripes import Arrival, Stripes
from worker.wire.messages import ArrivalDeal, ArrivalPlan, RateSegment, UserShare

AHEAD_S = 6.0
"""Epoch, lead and a second between two calls: no arrival is dealt earlier before it is due."""


@dataclass
class SimulatedWorker:
    """Takes its arrivals in time, as long as it lives and does not stand still."""

    stripes: Stripes
    clock_s: float
    """What its clock is ahead by."""
    held: Arrival | None = None
    stands_still_until_s: float = 0.0
    busy: list[float] = field(default_factory=list)
    """When each busy user becomes free."""


class SimulatedFleet:
    """A controller with its workers. `ends` says for each arrival how it ended; `twice` has those that ended more than once."""

    def __init__(self, plan: ArrivalPlan, max_users: int, seed: int, task_s: float = 0.2) -> None:
        self.plan = plan
        self.schedule = ArrivalSchedule(plan)
        self.chosen = random.Random(seed)
        self.max_users = max_users
        self.task_s = task_s
        self.workers: dict[str, SimulatedWorker] = {}
        self.dispatch = Dispatch({"Reader": UserShare(weight=4), "Writer": UserShare(weight=1)})
        self.dealer = ArrivalDealer(self.schedule)
        self.stored_dealt = 0
        self.start_s = 0.0
        """Plan time 0 on the clock of the simulation."""
        self.now_s = -4.0
        self.controller_back_s = self.now_s
        self.ends: dict[int, str] = {}
        self.twice: list[int] = []
        self.owner: dict[int, str] = {}
        self.dealt_to_dead: list[int] = []
        self.names = 0

    def join(self, capacity: float = 1.0) -> None:
        name = f"pi{self.names:03}_0"
        self.names += 1
        self.workers[name] = SimulatedWorker(Stripes(ArrivalSchedule(self.plan)), self.chosen.uniform(0, 1e6))
        self.dispatch.add(name, capacity)

    def die(self, name: str) -> None:
        del self.workers[name]
        self.dispatch.remove(name)

    def restart(self, name: str) -> None:
        self.die(name)
        self.workers[name] = SimulatedWorker(Stripes(ArrivalSchedule(self.plan)), self.chosen.uniform(0, 1e6))
        self.dispatch.add(name)

    def get_hot(self, name: str) -> None:
        self.dispatch.add(name, 0.5)
        self.dispatch.rebalance(5)

    def stand_still(self, name: str, for_s: float) -> None:
        self.workers[name].stands_still_until_s = self.now_s + for_s

    def lose_controller(self, for_s: float) -> None:
        """The controller dies; another one goes on later, with what was stored. Plan time goes on from what was dealt."""
        self.controller_back_s = self.now_s + for_s
        self.dealer = ArrivalDealer(self.schedule)
        self.dealer.resume_at(self.stored_dealt)
        self.start_s = max(self.start_s, self.controller_back_s + 3 - self.schedule.plan_s_of(self.stored_dealt))

    def step(self, for_s: float = 0.25) -> None:
        self.now_s += for_s
        if self.now_s >= self.controller_back_s and round(self.now_s / for_s) % 4 == 0:
            self.dispatch.set_total(self.max_users)
            deals = self.dealer.deal(self.now_s - self.start_s, self.dispatch.users)
            self.stored_dealt = self.dealer.dealt
            for name, deal in deals.items():
                self._send(name, deal)
        for name, worker in self.workers.items():
            if self.now_s >= worker.stands_still_until_s:
                self._work(name, worker)

    def _send(self, name: str, deal: ArrivalDeal) -> None:
        slots = {slot for numbers in deal.slots.values() for slot in numbers}
        for number in range(deal.first, deal.end):
            if (number - deal.base) % deal.period in slots:
                if number in self.owner:
                    self.twice.append(number)
                self.owner[number] = name
                assert self.schedule.due_s(number) <= self.now_s - self.start_s + AHEAD_S
        if name in self.workers:
            worker = self.workers[name]
            worker.stripes.accept(replace(deal, start_s=self.start_s + worker.clock_s))
        else:
            self.dealt_to_dead.append(deal.first)

    def _work(self, name: str, worker: SimulatedWorker) -> None:
        clock_s = self.now_s + worker.clock_s
        users = sum(self.dispatch.users[name].values())
        while True:
            arrival = worker.held = worker.held or worker.stripes.next()
            if arrival is None or arrival.due_s > clock_s:
                return
            worker.held = None
            while worker.busy and worker.busy[0] <= arrival.due_s:
                heapq.heappop(worker.busy)
            if clock_s - arrival.due_s > MAX_LATE_S:
                self._end(arrival.number, "given up", name)
            elif len(worker.busy) >= users:
                self._end(arrival.number, "missed", name)
            else:
                heapq.heappush(worker.busy, arrival.due_s + self.task_s)
                self._end(arrival.number, "started", name)

    def _end(self, number: int, how: str, name: str) -> None:
        if number in self.ends:
            self.twice.append(number)
        assert self.owner[number] == name
        self.ends[number] = how

    def finish(self) -> Counter[str]:
        """How all arrivals of the plan ended, after a time in which everything becomes due."""
        while self.now_s < self.start_s + self.schedule.duration_s + 10 or self.now_s < self.controller_back_s + 10:
            self.step()
        assert self.dealer.done
        found = Counter(self.ends.values())
        found["lost"] = len(self.owner.keys() - self.ends.keys())
        found["skipped"] = self.schedule.total - len(self.owner)
        return found


def plan_of_minute(*, poisson: bool, rate_per_s: float = 60.0, seed: int = 3) -> ArrivalPlan:
    rows = [
        (10.0, 0.0, rate_per_s, 0),
        (20.0, rate_per_s, rate_per_s, 0),
        (0.0, 0, 0, 1),
        (20.0, 2 * rate_per_s, 2 * rate_per_s, 1),
    ]
    segments = [RateSegment(*row, poisson=poisson) for row in rows]
    return ArrivalPlan([*segments, RateSegment(10.0, rate_per_s, 0.0, 2, poisson=not poisson)], seed)


events = st.lists(
    st.tuples(
        st.sampled_from(["join", "die", "restart", "hot", "still", "short still", "controller", "stall"]),
        st.integers(0, 1 << 16),
        st.integers(1, 30),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(events, st.integers(1, 12), st.integers(1, 60), st.integers(0, 1 << 16), st.booleans())
def test_every_arrival_ends_once_whatever_happens_to_the_fleet(
    events: list[tuple[str, int, int]], workers: int, max_users: int, seed: int, poisson: bool
) -> None:
    """Nodes join, die, restart, get hot and stand still, and controllers die: no arrival is made twice, and all have an end."""
    fleet = SimulatedFleet(plan_of_minute(poisson=poisson), max_users, seed)
    for _ in range(workers):
        fleet.join(fleet.chosen.choice([1.0, 1.0, 2.5]))
    lost_before: set[int] = set()
    for kind, which, steps in events:
        names = sorted(fleet.workers)
        name = names[which % len(names)] if names else None
        if kind == "join":
            fleet.join(1.0 + which % 3)
        elif kind == "controller":
            fleet.lose_controller(which % 20)
        elif kind == "stall":
            fleet.controller_back_s = max(fleet.controller_back_s, fleet.now_s + which % 12)
        elif name is None:
            continue
        elif kind in {"die", "restart"}:
            lost_before |= {
                number for number, owner in fleet.owner.items() if owner == name and number not in fleet.ends
            }
            fleet.die(name) if kind == "die" else fleet.restart(name)
        elif kind == "hot":
            fleet.get_hot(name)
        else:
            fleet.stand_still(name, (which % 8) / 2 if kind == "still" else 0.5)
        for _ in range(steps):
            fleet.step()
    found = fleet.finish()
    assert fleet.twice == []
    assert fleet.dealt_to_dead == []
    assert found.total() == fleet.schedule.total
    # Lost is only what a worker had been dealt when it died.
    assert {number for number in fleet.owner if number not in fleet.ends} <= lost_before
    if not any(kind in {"still", "stall"} for kind, _, _ in events):
        assert found["given up"] == 0
    if not any(kind in {"stall", "die"} for kind, _, _ in events):
        assert found["skipped"] == 0


@pytest.mark.parametrize("poisson", [False, True], ids=["even", "Poisson"])
def test_when_a_fifth_of_500_nodes_dies_only_what_they_had_is_lost(poisson: bool) -> None:
    """Of 500 nodes 100 die in mid-run at 1000/s: they take 6 s of a fifth at most with them; all the rest is started, exactly."""
    segments = [
        RateSegment(5.0, 0.0, 1000.0, 0, poisson=poisson),
        RateSegment(25.0, 1000.0, 1000.0, 0, poisson=poisson),
    ]
    fleet = SimulatedFleet(ArrivalPlan(segments, 11), max_users=2000, seed=1)
    for number in range(500):
        fleet.join(1.0 if number % 3 else 2.0)
    while fleet.now_s < 15:
        fleet.step()
    for name in fleet.chosen.sample(sorted(fleet.workers), 100):
        fleet.die(name)
    found = fleet.finish()
    assert fleet.twice == []
    assert found.total() == fleet.schedule.total == 27_500
    assert found["given up"] == found["skipped"] == 0
    assert 0 < found["lost"] < 1000 * AHEAD_S / 5 * 1.2
    assert found["missed"] < (300 if poisson else 1)
    assert found["started"] == fleet.schedule.total - found["lost"] - found["missed"]


def test_a_fleet_that_nothing_happens_to_starts_every_arrival() -> None:
    """Without failures and with users enough, started is the schedule's integral, exactly, and workers share it by capacity."""
    fleet = SimulatedFleet(ArrivalPlan([RateSegment(60.0, 500.0, 500.0, 0)], 1), max_users=400, seed=1)
    for number in range(40):
        fleet.join(1.0 if number % 2 else 3.0)
    assert fleet.finish() == Counter({"started": 30_000, "lost": 0, "skipped": 0})
    by_worker = Counter(fleet.owner.values())
    assert all(
        by_worker[f"pi{number:03}_0"] == pytest.approx(375 if number % 2 else 1125, abs=2) for number in range(40)
    )
