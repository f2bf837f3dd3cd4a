"""How many arrivals of the open model each worker was dealt, and so can report. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from worker.wire.messages import ArrivalDeal
from worker.wire.reports import ArrivalSecond


def count_arrivals(deal: ArrivalDeal) -> dict[str, int]:
    """The number of a deal's arrivals that lie in the worker's slots, by user class."""
    return {name: sum(_count_in_slot(deal, slot) for slot in slots) for name, slots in deal.slots.items()}


def _count_in_slot(deal: ArrivalDeal, slot: int) -> int:
    before_first = (deal.first - 1 - deal.base - slot) // deal.period
    return (deal.end - 1 - deal.base - slot) // deal.period - before_first


class UnreportedArrivals:
    """What each worker was dealt and has not reported yet, by user class."""

    def __init__(self, earlier: int = 0) -> None:
        """`earlier` is how many arrivals another controller has dealt in this run that are not reported: nobody knows to whom."""
        self._earlier = earlier
        self._left: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def deal(self, worker: str, counts: Mapping[str, int]) -> None:
        """A worker is dealt these."""
        self._left[worker].update(counts)

    def take(self, worker: str, rows: Iterable[ArrivalSecond]) -> bool:
        """Count what a worker reports as reported; False, and nothing is counted, where that is more than it was dealt."""
        reported: Counter[str] = Counter()
        for row in rows:
            reported[row.user_class] += row.started + row.missed + row.given_up
        left = self._left[worker]
        beyond = reported - left
        if beyond.total() > self._earlier:
            return False
        self._earlier -= beyond.total()
        left.subtract(reported - beyond)
        return True
