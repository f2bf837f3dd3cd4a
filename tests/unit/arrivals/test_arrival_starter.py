"""Arrivals of a worker are started on free users when they are due; each is decided, and counted, once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.load.arrivals.free_users import WaitingArrival
from worker.load.arrivals.starter import LATE_S, MAX_LATE_S, MIN_WAIT_S, ArrivalStarter
from worker.load.histogram import ArrivalTally

KIND = "Visitor"


@dataclass(frozen=True)
class Due:
    due_s: float
    user_class: str = KIND


@dataclass(eq=False)
class Played:
    """A user that is free, until it is started, or stops being it."""

    free: bool = True
    starts: int = 0

    def start(self) -> None:
        self.starts += 1


@dataclass
class Play:
    """A starter whose clock and users the test moves."""

    arrivals: list[Due]
    now_s: float = 0.0
    tallies: dict[tuple[int, str], ArrivalTally] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.starter = ArrivalStarter(
            lambda: self.arrivals.pop(0) if self.arrivals else None, self._tally_of, lambda: self.now_s
        )

    def _tally_of(self, due_s: float, user_class: str) -> ArrivalTally:
        return self.tallies.setdefault((int(due_s), user_class), ArrivalTally())

    def look(self, now_s: float) -> None:
        """Take all steps that there are to be taken at `now_s`."""
        self.now_s = now_s
        while (at_s := self.starter.at_s) is not None and at_s <= now_s:
            self.starter.step()

    def user(self, user_class: str = KIND) -> Played:
        """Return a user that is free from now on."""
        user = Played()
        self.starter.add_free(user, user_class)
        return user

    def take(self, user_class: str = KIND) -> WaitingArrival | None:
        """Return the arrival that a user finds who is free now."""
        return self.starter.take_waiting(user_class)

    @property
    def counts(self) -> dict[str, int]:
        """What has become of the arrivals."""
        whole = ArrivalTally()
        for tally in self.tallies.values():
            whole.merge(tally)
        names = ("started", "missed", "late", "given_up")
        return {name: getattr(whole, name) for name in names if getattr(whole, name)}

    @property
    def max_lateness_ms(self) -> float:
        return max(tally.lateness.max_ms for tally in self.tallies.values())


def test_an_arrival_starts_on_a_free_user_when_it_is_due_and_not_before() -> None:
    play = Play([Due(1.0), Due(1.5)])
    first, second = play.user(), play.user()
    assert play.starter.at_s == 1.0
    play.look(0.999)
    assert (first.starts, second.starts) == (0, 0)
    play.look(1.0002)
    assert (first.starts, second.starts) == (1, 0)
    assert play.starter.at_s == 1.5
    assert play.counts == {"started": 1}
    assert play.max_lateness_ms == pytest.approx(0.2)


def test_the_user_that_has_been_free_for_the_longest_is_the_next() -> None:
    """So all users of the pool take their turns."""
    play = Play([Due(1.0), Due(2.0), Due(3.0)])
    users = [play.user() for _ in range(3)]
    for turn in range(3):
        play.look(turn + 1.0)
        assert [user.starts for user in users] == [1] * (turn + 1) + [0] * (2 - turn)


def test_an_arrival_starts_on_a_user_of_its_own_class() -> None:
    play = Play([Due(1.0, "Buyer")])
    visitor, buyer = play.user(), play.user("Buyer")
    play.look(1.0)
    assert (visitor.starts, buyer.starts) == (0, 1)
    assert list(play.tallies) == [(1, "Buyer")]


def test_a_user_on_its_way_out_starts_nothing() -> None:
    """One that is to stop is passed over, and one that has gone is not asked."""
    play = Play([Due(1.0), Due(2.0)])
    stopping, gone, staying = play.user(), play.user(), play.user()
    stopping.free = False
    play.starter.remove_free(gone, KIND)
    play.look(1.0)
    assert (stopping.starts, gone.starts, staying.starts) == (0, 0, 1)


def test_an_arrival_without_a_free_user_waits_for_one_and_is_missed_then() -> None:
    play = Play([Due(1.0), Due(2.0)])
    play.look(1.0)
    assert play.counts == {}
    assert play.starter.at_s == 1.0 + MIN_WAIT_S
    play.look(1.0 + MIN_WAIT_S)
    assert play.counts == {"missed": 1}
    assert play.take() is None


def test_a_user_that_gets_free_in_time_starts_the_arrival_that_has_waited_the_longest() -> None:
    """Its lateness is all the time since it was due; how long it has waited is told apart."""
    play = Play([Due(1.0), Due(1.001)])
    play.look(1.002)
    play.now_s = 1.008
    taken = play.take()
    assert taken is not None
    assert (taken.due_s, taken.waited_s) == (1.0, pytest.approx(0.006))
    assert play.max_lateness_ms == pytest.approx(8.0)
    play.look(2.0)
    assert play.counts == {"started": 1, "missed": 1}


def test_a_user_that_gets_free_too_late_finds_nothing() -> None:
    """Also where the end of the wait has not been looked at."""
    play = Play([Due(1.0)])
    play.look(1.0)
    play.now_s = 1.0 + 2 * MIN_WAIT_S
    assert play.take() is None
    assert play.counts == {"missed": 1}
    play.look(2.0)
    assert play.counts == {"missed": 1}


def test_an_arrival_may_wait_for_as_long_as_the_worker_was_late_for_it() -> None:
    """The answers that make a user free may have lain unread for as long."""
    play = Play([Due(1.0)])
    play.look(1.4)
    assert play.starter.at_s == pytest.approx(1.8)
    play.now_s = 1.79
    assert play.take() is not None
    assert play.counts == {"started": 1, "late": 1}


def test_after_a_stall_those_that_were_due_last_may_wait_the_least() -> None:
    """They are missed first, and those due before them can still start."""
    play = Play([Due(1.0), Due(1.39)])
    play.look(1.4)
    play.look(1.5)
    assert play.counts == {"missed": 1}
    taken = play.take()
    assert taken is not None
    assert taken.due_s == 1.0


@pytest.mark.parametrize(
    ("late_s", "expected"),
    [
        (LATE_S - 0.001, {"started": 1}),
        (LATE_S + 0.001, {"started": 1, "late": 1}),
        (MAX_LATE_S - 0.001, {"started": 1, "late": 1}),
        (MAX_LATE_S + 0.001, {"given_up": 1}),
    ],
)
def test_the_worker_s_own_lateness_is_told_apart(late_s: float, expected: dict[str, int]) -> None:
    play = Play([Due(5.0)])
    user = play.user()
    play.look(5.0 + late_s)
    assert play.counts == expected
    assert user.starts == expected.get("started", 0)


def test_a_user_that_gets_free_starts_what_is_due_before_the_event_loop_comes_to_look() -> None:
    """It may be busy with many answers that came together; whose users take their turn first is of no matter then."""
    play = Play([Due(1.0), Due(1.0005), Due(1.5)])
    other = play.user()
    assert play.starter.at_s == 1.0
    for now_s in (1.001, 1.002):
        play.now_s = now_s
        assert play.starter.take_due(KIND)
    assert not play.starter.take_due(KIND)
    assert play.counts == {"started": 2}
    assert play.max_lateness_ms == pytest.approx(1.5)
    play.look(1.5)
    assert (other.starts, play.counts) == (1, {"started": 3})


@pytest.mark.parametrize(
    ("arrival", "now_s"),
    [
        pytest.param(Due(1.0), 0.999, id="not due yet"),
        pytest.param(Due(1.0, "Buyer"), 1.0, id="another class's"),
        pytest.param(Due(1.0), 1.0 + MAX_LATE_S + 0.001, id="far too late"),
    ],
)
def test_a_user_that_gets_free_starts_nothing_else(arrival: Due, now_s: float) -> None:
    play = Play([arrival], now_s=now_s)
    assert not play.starter.take_due(KIND)
    assert play.counts == {}
    assert play.starter.at_s == 1.0


def test_a_user_that_gets_free_after_the_end_of_the_load_starts_what_was_due_before_it() -> None:
    play = Play([Due(1.0), Due(2.0)], now_s=1.5)
    play.starter.end(1.5)
    play.now_s = 1.505
    assert play.starter.take_due(KIND)
    play.now_s = 2.0
    assert not play.starter.take_due(KIND)


def test_a_wait_for_a_user_is_no_lateness_of_the_worker() -> None:
    play = Play([Due(1.0)])
    play.look(1.005)
    play.now_s = 1.0145
    assert play.take() is not None
    assert play.counts == {"started": 1}


def test_an_arrival_counts_in_the_second_in_which_it_was_due() -> None:
    play = Play([Due(1.999), Due(2.0)])
    play.user()
    play.look(2.5)
    play.look(9.0)
    assert {second: tally.decided for (second, _), tally in play.tallies.items()} == {1: 1, 2: 1}


def test_at_the_end_what_is_due_is_decided_and_what_is_not_is_dropped() -> None:
    play = Play([Due(1.0), Due(1.001), Due(1.002), Due(3.0), Due(4.0)])
    user = play.user()
    play.look(1.0015)
    play.now_s = 2.0
    play.starter.end(2.0)
    play.look(2.0)
    assert (user.starts, play.counts) == (1, {"started": 1, "missed": 2})
    assert play.starter.at_s is None
    play.user()
    play.look(9.0)
    assert play.counts == {"started": 1, "missed": 2}


def test_after_an_end_the_load_may_begin_again() -> None:
    play = Play([Due(1.0)])
    play.starter.end(0.5)
    assert play.starter.at_s is None
    play.starter.begin()
    play.arrivals.append(Due(3.0))
    play.user()
    play.look(3.0)
    assert play.counts == {"started": 1}


@dataclass(frozen=True)
class Frees:
    """Users get free, one after the other."""

    users: int


@given(
    gaps_s=st.lists(st.sampled_from([0.0, 0.0004, 0.003, 0.02, 0.7]), min_size=1, max_size=60),
    steps=st.lists(st.tuples(st.sampled_from([0.0, 0.001, 0.009, 0.02, 0.4, 1.5]), st.integers(0, 5)), max_size=60),
)
def test_each_arrival_is_decided_exactly_once(gaps_s: list[float], steps: list[tuple[float, int]]) -> None:
    """Whenever the worker looks, and whenever users get free; none starts before it is due, and they start in order of class and due time."""
    due_s, arrivals = 10.0, []
    for gap_s in gaps_s:
        due_s += gap_s
        arrivals.append(Due(due_s))
    play, users = Play(list(arrivals), now_s=10.0), list[Played]()
    offered = Counter(int(each.due_s) for each in arrivals)
    taken_s: list[float] = []
    for pause_s, frees in steps:
        play.now_s += pause_s
        for _ in range(frees):
            waiting = play.take()
            if waiting is None:
                users.append(play.user())
            else:
                assert waiting.due_s <= play.now_s <= waiting.until_s
                taken_s.append(waiting.due_s)
        play.look(play.now_s)
    play.look(play.now_s + 100.0)
    assert Counter({second: tally.decided for (second, _), tally in play.tallies.items()}) == offered
    assert play.counts.get("started", 0) == len(taken_s) + sum(user.starts for user in users)
    assert all(before <= after for before, after in pairwise(taken_s))
    assert not play.arrivals
    for tally in play.tallies.values():
        assert tally.lateness.count == tally.started >= tally.late
