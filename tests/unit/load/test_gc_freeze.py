"""Objects that live as long as the load are excluded from garbage collections, and no others for long."""

from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st

from worker.load.process.gc_freeze import GcFreezer


class Noted:
    """A collector that notes its calls, with the number of users at that time."""

    def __init__(self) -> None:
        self.users = 0
        self.told: list[tuple[str, int]] = []

    def collect(self) -> int:
        self.told.append(("collect", self.users))
        return 0

    def freeze(self) -> None:
        self.told.append(("freeze", self.users))

    def unfreeze(self) -> None:
        self.told.append(("unfreeze", self.users))


def told(*users: int) -> list[tuple[str, int]]:
    """Return the calls to the collector while `users` are there, one number for each look."""
    noted = Noted()
    freezer = GcFreezer(lambda: noted.users, noted)
    for noted.users in users:
        freezer.update()
    return noted.told


def test_nothing_happens_without_users() -> None:
    assert told(0, 0, 0) == []


def test_the_load_begins_and_ends_with_a_full_collection() -> None:
    assert told(0, 5, 10, 10, 10, 0, 0) == [
        ("collect", 5),
        ("freeze", 5),
        ("freeze", 10),
        ("unfreeze", 0),
        ("collect", 0),
    ]


def test_users_who_are_still_coming_are_waited_for() -> None:
    assert told(1, 2, 3, 4, 5, 6, 6)[2:] == [("freeze", 6)]


def test_a_second_load_is_like_the_first() -> None:
    once = told(3, 3, 0)
    assert told(3, 3, 0, 3, 3, 0) == 2 * once


@given(st.lists(st.integers(1, 1000), max_size=200))
def test_however_users_come_and_go_a_load_is_stopped_for_once_and_left_out_seldom(users: list[int]) -> None:
    said = [what for what, _ in told(*users)]
    assert said.count("collect") == bool(users)
    assert "unfreeze" not in said
    assert said.count("freeze") <= 1 + 32  # 1.25 ** 32 > 1000


def test_pythons_own_collector_is_told() -> None:
    users = 0
    freezer = GcFreezer(lambda: users)
    before = gc.get_freeze_count()
    try:
        users = 2
        freezer.update()
        assert gc.get_freeze_count() > before
        users = 0
        freezer.update()
        assert gc.get_freeze_count() == 0
    finally:
        gc.unfreeze()
