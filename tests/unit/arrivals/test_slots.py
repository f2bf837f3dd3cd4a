"""Slots: each user has one, evenly spaced within a worker, with classes mixed."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.fleet.dispatch import Dispatch
from master.load.slots import assign_slots, spread
from worker.wire.work import UserShare

users_of_workers = st.dictionaries(
    st.integers(0, 60).map("pi{:03}_0".format),
    st.dictionaries(st.sampled_from("ABCD"), st.integers(0, 25), max_size=4),
    max_size=40,
)


@given(users_of_workers)
def test_every_slot_belongs_to_one_user(users: dict[str, dict[str, int]]) -> None:
    """The slots of all workers are 0 to period - 1, each once, and every worker and class has as many as it has users."""
    period, slots = assign_slots(users)
    assert sorted(slot for of_worker in slots.values() for numbers in of_worker.values() for slot in numbers) == list(
        range(period)
    )
    for worker, counts in users.items():
        found = {name: len(numbers) for name, numbers in slots.get(worker, {}).items()}
        assert found == {name: count for name, count in counts.items() if count}
    assert all(numbers == sorted(numbers) for of_worker in slots.values() for numbers in of_worker.values())
    assert all(numbers for of_worker in slots.values() for numbers in of_worker.values())


@given(users_of_workers)
def test_slots_of_a_worker_are_evenly_spaced(users: dict[str, dict[str, int]]) -> None:
    """With G different numbers of users, gaps of a worker's slots differ by G + 2 at most; with one there is no difference."""
    period, slots = assign_slots(users)
    kinds = {sum(counts.values()) for counts in users.values()} - {0}
    for of_worker in slots.values():
        own = sorted(slot for numbers in of_worker.values() for slot in numbers)
        gaps = [after - before for before, after in pairwise([*own, own[0] + period])]
        even = period / len(own)
        assert all(abs(gap - even) <= len(kinds) + 2 for gap in gaps)
        if len(kinds) == 1:
            assert set(gaps) == {even}


@given(users_of_workers)
def test_classes_are_mixed_on_each_worker(users: dict[str, dict[str, int]]) -> None:
    """Going through a worker's slots, no class is ahead of or behind its share by more than one and a half users for each class."""
    _, slots = assign_slots(users)
    for worker, of_worker in slots.items():
        own = sorted((slot, name) for name, numbers in of_worker.items() for slot in numbers)
        seen: Counter[str] = Counter()
        for number, (_, name) in enumerate(own, 1):
            seen[name] += 1
            for each in of_worker:
                share = users[worker][each] / len(own)
                assert abs(seen[each] - share * number) <= 1.5 * len(of_worker)


@pytest.mark.parametrize(
    ("workers", "total", "capacities"),
    [
        (500, 1000, (1.0,)),
        (500, 1300, (1.0, 2.2)),
        (50, 50, (1.0, 1.7)),
        (200, 5000, (1.0, 1.7, 2.2)),
        (50, 77, (1.0, 2.2)),
    ],
)
def test_classes_are_mixed_over_a_fleet_as_it_is_dispatched(
    workers: int, total: int, capacities: tuple[float, ...]
) -> None:
    """On fleets with users placed by capacity, no class is ahead of its share by more than 10 arrivals, whatever the period."""
    dispatch = Dispatch(
        {"Reader": UserShare(weight=8), "Writer": UserShare(weight=2), "Admin": UserShare(fixed_count=3)}
    )
    chosen = random.Random(1)
    for number in range(workers):
        dispatch.add(f"pi{number:03}_0", chosen.choice(capacities))
    dispatch.set_total(total)
    period, slots = assign_slots(dispatch.users)
    assert period == total
    owner = {slot: name for of_worker in slots.values() for name, numbers in of_worker.items() for slot in numbers}
    share = {name: count / period for name, count in Counter(owner.values()).items()}
    seen: Counter[str] = Counter()
    for number in range(period):
        seen[owner[number]] += 1
        assert all(abs(seen[name] - part * (number + 1)) <= 10 for name, part in share.items())


def test_workers_take_turns() -> None:
    """Two workers of which one has twice the users of the other take turns two to one, both classes on each."""
    period, slots = assign_slots(
        {"pi000_0": {"Reader": 2, "Writer": 2}, "pi001_0": {"Reader": 1, "Writer": 1}, "pi002_0": {}}
    )
    assert period == 6
    assert slots == {"pi000_0": {"Reader": [0, 3], "Writer": [2, 5]}, "pi001_0": {"Reader": [1], "Writer": [4]}}


def test_without_users_there_are_no_slots() -> None:
    """Workers without users, or no workers, make no slots."""
    assert assign_slots({}) == assign_slots({"pi000_0": {}, "pi001_0": {"Reader": 0}}) == (0, {})


def test_a_few_of_a_kind_are_spread_among_many() -> None:
    """Kinds are spaced evenly among each other."""
    assert "".join(spread([("a", 6), ("b", 2), ("c", 1)])) == "aabacaaba"
