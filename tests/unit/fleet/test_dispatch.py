"""Which worker runs how many users: sums are right, no user is moved without need, and the mix of classes is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.fleet.dispatch import Dispatch
from master.fleet.user_mix import Mix
from worker.wire.work import UserShare

shares = st.dictionaries(
    st.sampled_from("ABCDE"),
    st.one_of(
        st.builds(UserShare, weight=st.integers(1, 50).map(float)),
        st.builds(UserShare, fixed_count=st.integers(1, 5)),
    ),
    min_size=1,
)
# What may happen to a fleet: workers come and go, and another number of users is wanted.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 9)),
        st.tuples(st.just("weigh"), st.integers(0, 9)),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("set_total"), st.integers(0, 60)),
        st.tuples(st.just("rebalance"), st.integers(0, 5)),
    ),
    max_size=30,
)
any_shares = st.dictionaries(
    st.sampled_from("ABCDE"),
    st.one_of(
        st.builds(UserShare, weight=st.integers(1, 50).map(float)),
        st.builds(UserShare, fixed_count=st.integers(1, 5)),
        st.builds(UserShare, per_node=st.integers(1, 3)),
        st.builds(UserShare, per_worker=st.integers(1, 2)),
    ),
    min_size=1,
)
some_capacity = st.sampled_from([0.125, 0.5, 0.75, 1.0, 1.5, 2.0, 6.0])
TWO_TO_ONE = {"A": UserShare(weight=2), "B": UserShare(weight=1)}


def total(dispatch: Dispatch, worker: str) -> int:
    return sum(dispatch.users[worker].values())


@given(shares, st.integers(0, 100), st.integers(0, 100))
def test_a_larger_mix_has_at_least_as_many_of_every_class(mix: dict[str, UserShare], one: int, other: int) -> None:
    """A larger mix has at least as many users of every class, so a ramp up ends no user, and a number has one mix."""
    straight, round_about = Mix(mix), Mix(mix)
    straight.set_total(min(one, other))
    small = dict(straight.counts)
    straight.set_total(max(one, other))
    assert all(straight.counts[name] >= count for name, count in small.items())
    round_about.set_total(100)
    round_about.set_total(max(one, other))
    assert round_about.counts == straight.counts


@given(st.integers(1, 1000), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_a_mix_by_weight_is_off_by_less_than_a_user_of_each_class(whole: int, weights: list[int]) -> None:
    """A mix by weight is off the exact share of each class by no more users than there are classes, as Webster's method is."""
    mix = Mix({str(index): UserShare(weight=weight) for index, weight in enumerate(weights)})
    mix.set_total(whole)
    assert sum(mix.counts.values()) == whole
    for index, weight in enumerate(weights):
        assert mix.counts[str(index)] == pytest.approx(whole * weight / sum(weights), abs=len(weights))


@given(shares, steps, st.lists(some_capacity, min_size=1, max_size=4))
def test_whatever_happens_all_users_that_are_wanted_have_one_place(
    mix: dict[str, UserShare], happens: list[tuple[str, int]], capacities: list[float]
) -> None:
    """All wanted users have one place each as long as there is a worker, and only workers named as changed have changed."""
    dispatch = Dispatch(mix)
    for what, number in happens:
        before = {worker: dict(users) for worker, users in dispatch.users.items()}
        changed: set[str] = set()
        match what:
            case "add":
                dispatch.add(f"pi{number}_0")
                changed = dispatch.fill()
            case "weigh":
                # A known worker that can carry more or less now loses and gains nobody until users are moved.
                if f"pi{number}_0" in dispatch.users:
                    dispatch.add(f"pi{number}_0", capacities[number % len(capacities)])
                assert dispatch.fill() == set()
            case "remove":
                had = sum(before.get(f"pi{number}_0", {}).values())
                assert dispatch.remove(f"pi{number}_0") == had
                changed = dispatch.fill()
                # Nobody else lost a user; what was freed went elsewhere.
                for worker, users in dispatch.users.items():
                    assert all(users[name] >= count for name, count in before[worker].items())
            case "set_total":
                changed = dispatch.set_total(number)
            case "rebalance":
                changed = dispatch.rebalance(number)
                moved = sum(max(0, total(dispatch, worker) - sum(before[worker].values())) for worker in before)
                assert moved <= number
        for worker, users in dispatch.users.items():
            assert (users != before.get(worker, dict.fromkeys(users, 0))) == (worker in changed)
        if dispatch.users:
            assert dispatch.placed == dispatch.wanted
            for name, count in dispatch._mix.counts.items():
                assert sum(users[name] for users in dispatch.users.values()) == count


@given(shares, st.integers(1, 9), st.integers(0, 60))
def test_a_ramp_up_leaves_the_workers_at_most_one_user_apart(
    mix: dict[str, UserShare], workers: int, users: int
) -> None:
    """After a ramp up the workers' numbers of users differ by one at most, with any mix of classes."""
    dispatch = Dispatch(mix)
    for number in range(workers):
        dispatch.add(f"pi{number}_0")
    for wanted in range(users + 1):
        dispatch.set_total(wanted)
    totals = [total(dispatch, worker) for worker in dispatch.users]
    assert max(totals) - min(totals) <= 1


def test_a_lost_workers_users_go_where_the_fewest_are_and_nobody_else_is_touched() -> None:
    """When one of four workers with three users each goes, its users go where the fewest are, and no other user is moved."""
    dispatch = Dispatch(TWO_TO_ONE)
    for name in "abcd":
        dispatch.add(name)
    dispatch.set_total(12)
    assert dispatch.remove("b") == 3
    assert dispatch.placed == 9
    assert dispatch.fill() == {"a", "c", "d"}
    assert [total(dispatch, name) for name in "acd"] == [4, 4, 4]
    assert dispatch.fill() == set()


def test_a_worker_that_comes_back_gets_users_little_by_little_until_it_has_its_share() -> None:
    """A worker that comes back gets users little by little until a difference of one is left, and then no more are moved."""
    dispatch = Dispatch(TWO_TO_ONE)
    for name in "abc":
        dispatch.add(name)
    dispatch.set_total(30)
    dispatch.add("d")
    assert dispatch.fill() == set()
    moves = 0
    while changed := dispatch.rebalance(1):
        assert "d" in changed
        assert len(changed) == 2
        moves += 1
    assert moves == 7
    assert sorted(total(dispatch, name) for name in "abcd") == [7, 7, 8, 8]
    assert dispatch.rebalance(100) == set()


def test_a_fleet_that_is_all_lost_keeps_the_users_for_the_next_worker() -> None:
    """The users of a fleet that is lost as a whole have no place until the next worker comes."""
    dispatch = Dispatch(TWO_TO_ONE)
    dispatch.add("a")
    dispatch.set_total(5)
    dispatch.remove("a")
    assert dispatch.fill() == set()
    assert (dispatch.wanted, dispatch.placed) == (5, 0)
    dispatch.add("b")
    assert dispatch.fill() == {"b"}
    assert total(dispatch, "b") == 5


@given(st.lists(some_capacity, min_size=1, max_size=9), st.integers(0, 200))
def test_users_are_shared_out_by_capacity(capacities: list[float], users: int) -> None:
    """Users are shared out by capacity next to the exact share, whether they are placed that way or moved there."""
    placed, moved = Dispatch(TWO_TO_ONE), Dispatch(TWO_TO_ONE)
    for number, capacity in enumerate(capacities):
        placed.add(str(number), capacity)
        moved.add(str(number))
    placed.set_total(users)
    moved.set_total(users)
    for number, capacity in enumerate(capacities):
        moved.add(str(number), capacity)
    moved.rebalance(1000)
    for dispatch in (placed, moved):
        for number, capacity in enumerate(capacities):
            exact = users * capacity / sum(capacities)
            assert total(dispatch, str(number)) == pytest.approx(exact, abs=max(1.0, len(capacities) / 2))
        assert dispatch.rebalance(1000) == set()


@given(
    st.lists(some_capacity, min_size=2, max_size=9),
    st.lists(some_capacity, min_size=2, max_size=9),
    st.integers(0, 200),
)
def test_no_user_is_moved_that_need_not_be_and_none_back(before: list[float], after: list[float], users: int) -> None:
    """When capacities change, no more users are moved than need be, and every worker either gains users or loses some."""
    dispatch = Dispatch(TWO_TO_ONE)
    for number, capacity in enumerate(before):
        dispatch.add(str(number), capacity)
    dispatch.set_total(users)
    for number, capacity in enumerate(after[: len(before)]):
        dispatch.add(str(number), capacity)
    had = {worker: total(dispatch, worker) for worker in dispatch.users}
    way = {worker: [count] for worker, count in had.items()}
    moves = 0
    while dispatch.rebalance(1):
        moves += 1
        assert moves <= users
        for worker, counts in way.items():
            counts.append(total(dispatch, worker))
    for counts in way.values():
        assert counts in (sorted(counts), sorted(counts, reverse=True))
    assert moves == sum(max(0, total(dispatch, worker) - count) for worker, count in had.items())


def test_a_node_that_can_carry_less_loses_users_and_gets_them_back() -> None:
    """A node whose capacity falls loses users, and gets back as many as it had, a few at a time."""
    dispatch = Dispatch(TWO_TO_ONE)
    for name in "abcd":
        dispatch.add(name)
    dispatch.set_total(40)
    dispatch.add("b", 0.5)
    first = dispatch.rebalance(2)
    assert "b" in first
    assert total(dispatch, "b") == 8
    dispatch.rebalance(100)
    assert [total(dispatch, name) for name in "abcd"] in ([12, 6, 11, 11], [11, 6, 12, 11], [11, 6, 11, 12])
    dispatch.add("b", 1.0)
    dispatch.rebalance(100)
    assert [total(dispatch, name) for name in "abcd"] == [10, 10, 10, 10]


def test_users_that_have_ended_by_themselves_are_placed_nowhere_else() -> None:
    """Users that have ended by themselves stay ended when their worker is lost, and move nowhere; a ramp down takes them first."""
    dispatch = Dispatch({"A": UserShare(weight=1)})
    for worker in ("one", "two"):
        dispatch.add(worker)
    dispatch.set_total(8)
    dispatch.note_ended("one", "A", 3)
    dispatch.note_ended("two", "A", 1)
    assert (total(dispatch, "one"), dispatch.ended_of("one", "A"), dispatch.ended) == (4, 3, 4)
    assert dispatch.fill() == dispatch.rebalance(5) == set()
    assert dispatch.remove("one") == 1
    dispatch.fill()
    assert (total(dispatch, "two"), dispatch.placed, dispatch.ended) == (5, 8, 4)
    dispatch.set_total(6)
    assert (total(dispatch, "two"), dispatch.ended) == (5, 2)
    dispatch.set_total(4)
    assert (total(dispatch, "two"), dispatch.ended) == (4, 0)
    dispatch.set_total(6)
    assert (total(dispatch, "two"), dispatch.placed) == (6, 6)


def test_users_that_have_ended_do_not_move_to_a_worker_that_comes_later() -> None:
    """A worker that comes later gets users that run; where all others have ended there is nobody to move."""
    dispatch = Dispatch({"A": UserShare(weight=1)})
    dispatch.add("one")
    dispatch.set_total(4)
    dispatch.note_ended("one", "A", 3)
    dispatch.add("late")
    dispatch.rebalance(5)
    assert (total(dispatch, "one"), total(dispatch, "late"), dispatch.ended) == (3, 1, 3)


def test_no_more_users_can_have_ended_than_there_are() -> None:
    """A worker that says that more users have ended than it had, or users of an unknown class, changes nothing beyond its own."""
    dispatch = Dispatch({"A": UserShare(weight=1)})
    dispatch.add("one")
    dispatch.set_total(2)
    for name, count in (("B", 5), ("A", 9), ("A", 9)):
        dispatch.note_ended("one", name, count)
    dispatch.note_ended("stranger", "A", 1)
    assert (total(dispatch, "one"), dispatch.placed, dispatch.ended) == (2, 2, 2)


def bound(dispatch: Dispatch, name: str) -> dict[str, int]:
    return {worker: counts[name] for worker, counts in dispatch.users.items() if counts[name]}


def test_each_node_has_its_own_users_whatever_nodes_come_and_go() -> None:
    """Users of each node are on every node, on one of its workers, and on no other; those by weight make up the rest."""
    dispatch = Dispatch({"Probe": UserShare(per_node=1), "Load": UserShare(weight=1)})
    for worker in ("pi1_0", "pi1_1", "pi2_0"):
        dispatch.add(worker)
    dispatch.set_total(8)
    assert (bound(dispatch, "Probe"), dispatch.placed) == ({"pi1_0": 1, "pi2_0": 1}, 8)
    dispatch.add("pi3_0", 0.5)
    dispatch.fill()
    dispatch.rebalance(10)
    assert bound(dispatch, "Probe") == {"pi1_0": 1, "pi2_0": 1, "pi3_0": 1}
    assert (sum(bound(dispatch, "Load").values()), dispatch.placed) == (5, 8)
    dispatch.remove("pi2_0")  # its node is gone, and so is the user that it had
    dispatch.remove("pi1_0")  # its node is still there
    dispatch.fill()
    assert bound(dispatch, "Probe") == {"pi1_1": 1, "pi3_0": 1}
    assert dispatch.placed == dispatch.wanted == 8


def test_each_worker_has_its_own_users_and_no_more_where_nothing_else_is_wanted() -> None:
    """Users of each worker are on every worker; where there are no others, a fleet has as many as it has places for."""
    dispatch = Dispatch({"Probe": UserShare(per_worker=2)})
    dispatch.add("pi1_0")
    dispatch.set_total(100)
    assert (dispatch.wanted, bound(dispatch, "Probe")) == (2, {"pi1_0": 2})
    dispatch.add("pi1_1")
    dispatch.fill()
    assert bound(dispatch, "Probe") == {"pi1_0": 2, "pi1_1": 2}
    assert dispatch.rebalance(5) == set()
    dispatch.set_total(3)
    assert (dispatch.placed, sum(bound(dispatch, "Probe").values())) == (3, 3)


@given(any_shares, steps)
def test_whatever_happens_no_node_has_more_of_its_own_users_than_it_is_to_have(
    mix: dict[str, UserShare], happens: list[tuple[str, int]]
) -> None:
    """No node or worker ever has more than its own users, none of them is missing elsewhere, and all that are wanted are placed."""
    dispatch = Dispatch(mix)
    for what, number in happens:
        match what:
            case "add":
                dispatch.add(f"pi{number % 4}_{number // 4}")
            case "remove":
                dispatch.remove(f"pi{number % 4}_{number // 4}")
            case "set_total":
                dispatch.set_total(number)
            case "rebalance":
                dispatch.rebalance(number)
        dispatch.fill()
        if not dispatch.users:
            continue
        assert dispatch.placed == dispatch.wanted
        for name, share in mix.items():
            on_worker = {worker: users[name] for worker, users in dispatch.users.items()}
            assert sum(on_worker.values()) == dispatch._mix.counts[name]
            if share.per_worker:
                assert max(on_worker.values()) <= share.per_worker
            if share.per_node:
                for node in {worker.partition("_")[0] for worker in on_worker}:
                    own = sum(count for worker, count in on_worker.items() if worker.startswith(f"{node}_"))
                    assert own <= share.per_node
