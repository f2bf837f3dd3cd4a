"""The arrivals of the open model over a run, by what became of them and whose fault it is. Pure.

Every arrival that was due was started or missed. Missed are those that found no user free, whose worker gave them up since it was far too
late itself, and those that were lost: dealt to a worker that never reported them. What no user of a fit worker was free for is the
target's, which keeps the users busy; all other misses are the generator's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from master.store import StoreReader
from worker.load.histogram import ArrivalTally, Histogram


@dataclass
class ClassArrivals:
    """Arrivals of one user class: those whose worker was fit in the second in which they were due, and the others."""

    fit: ArrivalTally = field(default_factory=ArrivalTally)
    unfit: ArrivalTally = field(default_factory=ArrivalTally)

    def add(self, tally: ArrivalTally, *, fit: bool) -> None:
        """Add arrivals of one second."""
        (self.fit if fit else self.unfit).merge(tally)

    @property
    def both(self) -> ArrivalTally:
        """All of them."""
        whole = ArrivalTally()
        whole.merge(self.fit)
        whole.merge(self.unfit)
        return whole


@dataclass
class Arrivals:
    """The arrivals of a span of time: `offered` were due by the schedule; None when that is not known."""

    offered: int | None = None
    of: defaultdict[str, ClassArrivals] = field(default_factory=lambda: defaultdict(ClassArrivals))
    """What became of them, by user class."""

    @property
    def all(self) -> ClassArrivals:
        """Those of all user classes together."""
        whole = ClassArrivals()
        for arrivals in self.of.values():
            whole.fit.merge(arrivals.fit)
            whole.unfit.merge(arrivals.unfit)
        return whole

    @property
    def lost(self) -> int | None:
        """Those that no worker has reported; None when it is not known how many were due."""
        return None if self.offered is None else max(0, self.offered - self.all.both.decided)

    @property
    def lateness(self) -> Histogram:
        """How much later than due those started that were, in ms."""
        return self.all.both.lateness


@dataclass
class OfferedLoad:
    """The arrivals of a run."""

    whole: Arrivals = field(default_factory=Arrivals)
    steady: Arrivals = field(default_factory=Arrivals)
    holds: Arrivals = field(default_factory=Arrivals)
    """Those of the holds: of the steady part, and of the seconds in which there was no controller to judge them."""
    surplus: int = 0
    """Arrivals that were reported beyond those that were due: a fault."""

    @property
    def steady_lost(self) -> int | None:
        """Arrivals of the steady part that no worker has reported; None when it is not known how many were due.

        A worker's seconds are not quite those of the schedule, so that a few are beyond either end: never more than the whole run has lost.
        """
        if self.whole.lost is None or self.steady.lost is None:
            return None
        return min(self.whole.lost, self.steady.lost)

    @property
    def hold_lost(self) -> int | None:
        """As `steady_lost`, of the holds: what a controller that stood still dealt to nobody is lost, too."""
        if self.whole.lost is None or self.holds.lost is None:
            return None
        return min(self.whole.lost, self.holds.lost)

    @property
    def generator_missed(self) -> int | None:
        """Arrivals of the steady part that were not started by a fault of the generator; None when that is not known."""
        lost, steady = self.steady_lost, self.steady.all
        return None if lost is None else lost + steady.unfit.missed + steady.fit.given_up + steady.unfit.given_up


def read_offered_load(
    store: StoreReader, steady: AbstractSet[int], offered: int | None, *, by_plan: bool = True
) -> OfferedLoad:
    """Add up what run.db has of arrivals; `offered` were due by the schedule in the whole run, None when that is not known.

    What was missed while there was no controller is the generator's: who takes over starts with few users, while arrivals that were dealt
    before are still due.
    Where the load did not end `by_plan`, workers have decided what was due until they knew that: a little more than the controller knows.
    """
    load = OfferedLoad()
    due, held = dict[int, int](), set[int]()
    for row in store.seconds():
        if row.offered is not None:
            due[row.second] = row.offered
            if row.stage.endswith(" hold"):
                held.add(row.second)
    load.whole.offered = sum(due.values()) if offered is None and due else offered
    if due:
        load.steady.offered = sum(number for second, number in due.items() if second in steady)
        load.holds.offered = sum(due[second] for second in held)
    first, last = min(due, default=0), max(due, default=0)
    for second, user_class, tally, fit in store.arrivals():
        controlled = second in due or not first < second < last
        load.whole.of[user_class].add(tally, fit=fit and controlled)
        if second in steady:
            load.steady.of[user_class].add(tally, fit=fit)
        if second in held:
            load.holds.of[user_class].add(tally, fit=fit)
    decided = load.whole.all.both.decided
    if load.whole.offered is not None and decided > load.whole.offered:
        if by_plan:
            load.surplus = decided - load.whole.offered
        else:
            load.whole.offered = decided
    return load
