"""The slots of an open run's stripes: one for each user, so that workers and classes get arrivals as they have users. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from itertools import chain
from operator import itemgetter
from typing import TypeVar

Mix = tuple[tuple[str, int], ...]
"""Users of each class, none of them 0."""
T = TypeVar("T", bound=Hashable)


def assign_slots(users: Mapping[str, Mapping[str, int]]) -> tuple[int, dict[str, dict[str, list[int]]]]:
    """The number of slots, and those of each worker by user class, in order. Workers and classes without users get none.

    A worker's slots are spaced evenly. With G different numbers of users of a worker, each slot is within G/2 + 1 of where exactly
    even spacing would have it. Classes are mixed both within a worker and over all slots.
    """
    mixes = {
        worker: tuple((name, count) for name, count in counts.items() if count > 0) for worker, counts in users.items()
    }
    groups: dict[int, dict[Mix, list[str]]] = defaultdict(lambda: defaultdict(list))
    for worker, mix in mixes.items():
        if mix:
            groups[sum(count for _, count in mix)][mix].append(worker)
    slots: dict[str, dict[str, list[int]]] = {
        worker: {name: [] for name, _ in mix} for worker, mix in mixes.items() if mix
    }
    places: list[tuple[float, list[int]]] = []
    for total, workers_by_mix in groups.items():
        # Each worker starts elsewhere in the order of its classes, so that any `total` neighbours have the mix in each of their turns.
        orders = {mix: spread(mix) for mix in workers_by_mix}
        turns: list[list[list[int]]] = []
        placed: dict[Mix, int] = defaultdict(int)
        for mix in spread((mix, len(workers)) for mix, workers in workers_by_mix.items()):
            number = placed[mix]
            placed[mix] += 1
            order, mine, first = orders[mix], slots[workers_by_mix[mix][number]], number % total
            turns.append([mine[name] for name in chain(order[first:], order[:first])])
        # Of g workers with n users, slot j of worker k is due at (j + (k + 1/2) / g) / n of the period: all n * g are evenly spaced.
        count = total * len(turns)
        places += [
            ((slot * len(turns) + number + 0.5) / count, turn[slot])
            for slot in range(total)
            for number, turn in enumerate(turns)
        ]
    places.sort(key=itemgetter(0))  # merges G rows that are sorted already
    for slot, (_, owned) in enumerate(places):
        owned.append(slot)
    return len(places), slots


def spread(counts: Iterable[tuple[T, int]]) -> list[T]:
    """So many of each, every kind as evenly spaced among the others as can be."""
    places = [((number + 0.5) / count, kind) for kind, count in counts for number in range(count)]
    return [kind for _, kind in sorted(places, key=itemgetter(0))]
