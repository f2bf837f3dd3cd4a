"""A whole fleet in virtual time: dispatch, dealer, stripes and starters together, while nodes die, join, restart and get hot.

Nothing here waits, and no clock is read. Each arrival of the plan has exactly one end: started, missed, given up, skipped, or lost
with the worker that it had been dealt to.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from master.fleet.dispatch import Dispatch
from master.fleet.kept_users import KeptUsers
from master.fleet.reports.unreported_arrivals import count_arrivals
from master.load.dealer import ArrivalDealer
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.load.arrivals.starter import ArrivalStarter
from worker.load.arrivals.stripes import Arrival, Stripes
from worker.load.histogram import ArrivalTally
from worker.wire.messages import ArrivalDeal
from worker.wire.work import ArrivalPlan, RateSegment, UserShare

AHEAD_S = 6.0
"""Epoch, lead and a second between two calls: no arrival is dealt earlier before it is due."""
STEP_S = 0.25


class SimulatedUser:
    """A user whose every task takes `task_s`."""

    def __init__(self, worker: SimulatedWorker, user_class: str) -> None:
        self._worker = worker
        self.user_class = user_class
        self.free = True
        """Whether it is to go on."""

    def start(self) -> None:
        self._worker.begin_task(self)


class SimulatedWorker:
    """A worker with the product's stripes and starter, whose users and clock are simulated."""

    def __init__(self, plan: ArrivalPlan, clock_s: float, task_s: float) -> None:
        """`clock_s` is what its clock is ahead by."""
        self.stripes = Stripes(ArrivalSchedule(plan))
        self.clock_s = clock_s
        self.stands_still_until_s = 0.0
        self.taken: list[Arrival] = []
        self.tallies = {"Reader": ArrivalTally(), "Writer": ArrivalTally()}
        self._task_s = task_s
        self._now_s = 0.0
        self._starter = ArrivalStarter(self._take, lambda _, name: self.tallies[name], lambda: self._now_s)
        self._users: dict[str, list[SimulatedUser]] = {"Reader": [], "Writer": []}
        self._tasks: list[tuple[float, int, SimulatedUser]] = []
        self._begun = 0

    def _take(self) -> Arrival | None:
        arrival = self.stripes.next()
        if arrival is not None:
            self.taken.append(arrival)
        return arrival

    @property
    def decided(self) -> int:
        return sum(tally.decided for tally in self.tallies.values())

    def begin_task(self, user: SimulatedUser) -> None:
        self._begun += 1
        heappush(self._tasks, (self._now_s + self._task_s, self._begun, user))

    def order(self, counts: Mapping[str, int]) -> None:
        """Run so many users."""
        for name, users in self._users.items():
            while len(users) > counts.get(name, 0):
                user = users.pop()
                user.free = False
                self._starter.remove_free(user, name)
            while len(users) < counts.get(name, 0):
                users.append(SimulatedUser(self, name))
                self._wait(users[-1])

    def _wait(self, user: SimulatedUser) -> None:
        if not user.free:
            return
        if self._starter.take_waiting(user.user_class) is not None:
            self.begin_task(user)
        else:
            self._starter.add_free(user, user.user_class)

    def work_until(self, now_s: float) -> None:
        """Do what is to be done by `now_s`, each at its time, or later where the worker stood still."""
        if now_s < self.stands_still_until_s:
            return
        until_s = now_s + self.clock_s
        awake_s = self.stands_still_until_s + self.clock_s
        while True:
            at_s, end_s = self._starter.at_s, self._tasks[0][0] if self._tasks else None
            next_s = min((each for each in (at_s, end_s) if each is not None), default=until_s)
            if next_s >= until_s:
                self._now_s = until_s
                return
            self._now_s = max(self._now_s, next_s, awake_s)
            if end_s == next_s:
                self._wait(heappop(self._tasks)[2])
            else:
                self._starter.step()


class SimulatedFleet:
    """A controller with its workers."""

    def __init__(self, plan: ArrivalPlan, max_users: int, seed: int, task_s: float = 0.2) -> None:
        self.plan = plan
        self.schedule = ArrivalSchedule(plan)
        self.chosen = random.Random(seed)
        self.max_users = max_users
        self.task_s = task_s
        self.workers: dict[str, SimulatedWorker] = {}
        self.ended: list[SimulatedWorker] = []
        self.dispatch = Dispatch({"Reader": UserShare(weight=4), "Writer": UserShare(weight=1)})
        self.kept = KeptUsers(AHEAD_S)
        self.dealer = ArrivalDealer(self.schedule)
        self.stored_dealt = 0
        self.start_s = 0.0
        """Plan time 0 on the clock of the simulation."""
        self.now_s = -4.0
        self.controller_back_s = self.now_s
        self.owner: dict[int, SimulatedWorker] = {}
        self.twice: list[int] = []
        self.names = 0

    def join(self, capacity: float = 1.0) -> None:
        self._add(f"pi{self.names:03}_0", capacity)
        self.names += 1

    def _add(self, name: str, capacity: float) -> None:
        self.workers[name] = SimulatedWorker(self.plan, self.chosen.uniform(0, 1e6), self.task_s)
        self.dispatch.add(name, capacity)

    def die(self, name: str) -> None:
        self.ended.append(self.workers.pop(name))
        self.dispatch.remove(name)
        self.kept.forget(name)

    def restart(self, name: str) -> None:
        self.die(name)
        self._add(name, 1.0)

    def get_hot(self, name: str) -> None:
        self.dispatch.add(name, 0.5)
        self.dispatch.rebalance(5)

    def stand_still(self, name: str, for_s: float) -> None:
        self.workers[name].stands_still_until_s = self.now_s + for_s

    def lose_controller(self, for_s: float) -> None:
        """The controller dies; another one goes on later, with what was stored. Plan time goes on from what was dealt."""
        self.controller_back_s = max(self.controller_back_s, self.now_s + for_s)
        self.dealer = ArrivalDealer(self.schedule)
        self.dealer.resume_at(self.stored_dealt)
        self.start_s = max(self.start_s, self.controller_back_s + 3 - self.schedule.plan_s_of(self.stored_dealt))

    def step(self) -> None:
        self.now_s += STEP_S
        if self.now_s >= self.controller_back_s and round(self.now_s / STEP_S) % 4 == 0:
            self.dispatch.set_total(self.max_users)
            deals = self.dealer.deal(self.now_s - self.start_s, self.dispatch.users)
            self.stored_dealt = self.dealer.dealt
            for name, users in self.dispatch.users.items():
                self.workers[name].order(self.kept.order(name, users, self.now_s)[0])
            for name, deal in deals.items():
                self._send(self.workers[name], deal)
        for worker in self.workers.values():
            worker.work_until(self.now_s)

    def _send(self, worker: SimulatedWorker, deal: ArrivalDeal) -> None:
        slots = {slot for numbers in deal.slots.values() for slot in numbers}
        numbers = [number for number in range(deal.first, deal.end) if (number - deal.base) % deal.period in slots]
        self.twice += [number for number in numbers if number in self.owner]
        self.owner |= dict.fromkeys(numbers, worker)
        assert numbers
        assert len(numbers) == sum(count_arrivals(deal).values())
        assert self.schedule.due_s(numbers[-1]) <= self.now_s - self.start_s + AHEAD_S
        worker.stripes.accept(replace(deal, start_s=self.start_s + worker.clock_s))

    def finish(self) -> Counter[str]:
        """How all arrivals of the plan ended, after a time in which everything becomes due."""
        while self.now_s < max(self.start_s + self.schedule.duration_s, self.controller_back_s) + 10:
            self.step()
        assert self.dealer.done
        assert self.twice == []
        found: Counter[str] = Counter()
        for worker in [*self.ended, *self.workers.values()]:
            assert all(self.owner[arrival.number] is worker for arrival in worker.taken)
            assert len({arrival.number for arrival in worker.taken}) == len(worker.taken)
            for tally in worker.tallies.values():
                found.update(started=tally.started, missed=tally.missed, given_up=tally.given_up)
        found["lost"] = len(self.owner) - found.total()
        found["skipped"] = self.schedule.total - len(self.owner)
        # Lost is only what a worker that ended had been dealt and had not come to.
        assert found["lost"] == sum(self._dealt_to(worker) - worker.decided for worker in self.ended)
        assert all(self._dealt_to(worker) == worker.decided for worker in self.workers.values())
        return found

    def _dealt_to(self, worker: SimulatedWorker) -> int:
        if not hasattr(self, "_counts"):
            self._counts = Counter(id(owner) for owner in self.owner.values())
        return self._counts[id(worker)]


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


@settings(max_examples=min(40, settings().max_examples), deadline=None)
@given(events, st.integers(1, 12), st.integers(1, 60), st.integers(0, 1 << 16), st.booleans())
def test_every_arrival_ends_once_whatever_happens_to_the_fleet(
    events: list[tuple[str, int, int]], workers: int, max_users: int, seed: int, poisson: bool
) -> None:
    """Nodes join, die, restart, get hot and stand still, and controllers die: no arrival is made twice, and all have an end."""
    fleet = SimulatedFleet(plan_of_minute(poisson=poisson), max_users, seed)
    for _ in range(workers):
        fleet.join(fleet.chosen.choice([1.0, 1.0, 2.5]))
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
            fleet.die(name) if kind == "die" else fleet.restart(name)
        elif kind == "hot":
            fleet.get_hot(name)
        else:
            fleet.stand_still(name, (which % 8) / 2 if kind == "still" else 0.5)
        for _ in range(steps):
            fleet.step()
    found = fleet.finish()
    assert found.total() == fleet.schedule.total
    if not any(kind in {"still", "stall"} for kind, _, _ in events):
        assert found["given_up"] == 0
    if not any(kind in {"stall", "die"} for kind, _, _ in events):
        assert found["skipped"] == 0


@pytest.mark.parametrize("poisson", [False, True], ids=["even", "Poisson"])
def test_when_a_fifth_of_500_nodes_dies_only_what_they_had_is_lost(poisson: bool) -> None:
    """Of 500 nodes 100 die in mid-run at 1000/s: they take 6 s of a fifth at most with them; all the rest is started, exactly."""
    segments = [
        RateSegment(5.0, 0.0, 1000.0, 0, poisson=poisson),
        RateSegment(15.0, 1000.0, 1000.0, 0, poisson=poisson),
    ]
    fleet = SimulatedFleet(ArrivalPlan(segments, 11), max_users=2000, seed=1)
    for number in range(500):
        fleet.join(1.0 if number % 3 else 2.0)
    while fleet.now_s < 10:
        fleet.step()
    for name in fleet.chosen.sample(sorted(fleet.workers), 100):
        fleet.die(name)
    found = fleet.finish()
    assert found.total() == fleet.schedule.total == 17_500
    assert found["given_up"] == found["skipped"] == 0
    assert 0 < found["lost"] < 1000 * AHEAD_S / 5 * 1.2
    # Where slots are dealt anew, a user may get two arrivals in a row; by chance it may do so at any time.
    assert found["missed"] < (300 if poisson else 10)
    assert found["started"] == fleet.schedule.total - found["lost"] - found["missed"]


def test_a_fleet_that_nothing_happens_to_starts_every_arrival() -> None:
    """Without failures and with users enough, started is the schedule's integral, exactly, and workers share it by capacity."""
    fleet = SimulatedFleet(ArrivalPlan([RateSegment(60.0, 500.0, 500.0, 0)], 1), max_users=400, seed=1)
    for number in range(40):
        fleet.join(1.0 if number % 2 else 3.0)
    assert +fleet.finish() == Counter(started=30_000)
    shares = [fleet.workers[f"pi{number:03}_0"].decided for number in range(40)]
    assert shares == pytest.approx([375 if number % 2 else 1125 for number in range(40)], abs=2)
