"""The slots of an open run's stripes: one for each user, so that workers and classes get arrivals as they have users. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping


def assign_slots(users: Mapping[str, Mapping[str, int]]) -> tuple[int, dict[str, dict[str, list[int]]]]:
    """The number of slots, and those of each worker by user class, in order. Workers and classes without users get none.

    A worker's slots are spaced evenly. With G different numbers of users of a worker, each slot is within G/2 + 1 of where exactly
    even spacing would have it. Classes are mixed both within a worker and over all slots.
    """
    totals = {worker: sum(counts.values()) for worker, counts in users.items()}
    groups: dict[int, list[str]] = defaultdict(list)
    for worker, total in totals.items():
        if total > 0:
            groups[total].append(worker)
    # Of g workers with n users each, slot j of worker k is due at (j + (k + 1/2) / g) / n of the period: all n * g are evenly spaced.
    places = [
        ((slot + (number + 0.5) / len(workers)) / total, worker)
        for total, workers in groups.items()
        for number, worker in enumerate(workers)
        for slot in range(total)
    ]
    places.sort()
    slots: dict[str, dict[str, list[int]]] = {worker: {} for _, worker in places}
    for slot, user_class in enumerate(_classes([worker for _, worker in places], users, totals)):
        slots[places[slot][1]].setdefault(user_class, []).append(slot)
    return len(places), slots


def _classes(workers: list[str], users: Mapping[str, Mapping[str, int]], totals: Mapping[str, int]) -> list[str]:
    """The class of each slot, given its worker: the one that lacks most, on its worker and over all, of what is its by share."""
    names = [name for counts in users.values() for name, count in counts.items() if count]
    names = list(dict.fromkeys(names))
    if len(names) < 2:
        return names * len(workers)
    share = {name: sum(counts.get(name, 0) for counts in users.values()) / len(workers) for name in names}
    lacking = dict.fromkeys(names, 0.0)
    left = {
        worker: {name: count for name, count in users[worker].items() if count} for worker in dict.fromkeys(workers)
    }
    shares = {worker: {name: count / totals[worker] for name, count in left[worker].items()} for worker in left}
    lacking_here = {worker: dict.fromkeys(left[worker], 0.0) for worker in left}
    chosen: list[str] = []
    for worker in workers:
        for name in names:
            lacking[name] += share[name]
        here, counts = lacking_here[worker], left[worker]
        best, most = "", float("-inf")
        for name, part in shares[worker].items():
            here[name] += part
            if counts[name] and here[name] + lacking[name] > most:
                best, most = name, here[name] + lacking[name]
        here[best] -= 1
        lacking[best] -= 1
        counts[best] -= 1
        chosen.append(best)
    return chosen
