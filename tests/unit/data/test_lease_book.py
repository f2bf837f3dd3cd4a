"""No row is given to two users, whatever becomes of the workers that hold them and of the controller."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from played_fleet import Fleet, Trouble

from master.data.lease_book import NOT_LEASED, RECALL_S, RESEND_S, UNKNOWN_LEASE, Grant, LeaseBook

chances = st.sampled_from([0.0, 0.02, 0.1])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), rows=st.integers(500, 20_000))
def test_no_row_of_500_nodes_is_used_twice(seed: int, rows: int) -> None:
    """With 500 nodes that die, freeze, return, lie and lose messages under controllers that die, each row is used once at most."""
    fleet = Fleet(rows, 500, seed, Trouble())
    for _ in range(25):
        fleet.tick()
    assert max(fleet.used.values(), default=0) <= 1
    assert max(fleet.used, default=0) < rows
    fleet.settle(4)
    assert max(fleet.used.values(), default=0) <= 1


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 400),
    nodes=st.integers(1, 20),
    trouble=st.builds(
        Trouble,
        die=chances,
        freeze=chances,
        restart=chances,
        lose_lease=chances,
        lie=chances,
        crash=chances,
        idle=chances,
    ),
)
def test_every_row_is_used_left_held_or_unsure_and_none_twice(
    seed: int, rows: int, nodes: int, trouble: Trouble
) -> None:
    """Whatever happens, the book has each row in one place; what it knows as used was used, and none that was used is left."""
    fleet = Fleet(rows, nodes, seed, trouble)
    for _ in range(60):
        fleet.tick()
        assert max(fleet.used.values(), default=0) <= 1
    fleet.settle()
    book = fleet.book
    assert book.left is not None
    assert book.left + book.out + book.unsure + book.used == rows
    assert book.used <= sum(fleet.used.values()) <= book.used + book.out + book.unsure
    if not any((trouble.die, trouble.restart, trouble.crash)):
        assert sum(fleet.used.values()) == book.used


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 300), nodes=st.integers(1, 12))
def test_without_trouble_users_are_told_of_the_end_when_every_row_is_used_and_not_before(
    seed: int, rows: int, nodes: int
) -> None:
    """Where nobody dies, users are told that all rows are used only when each of them was."""
    fleet = Fleet(rows, nodes, seed, Trouble(0, 0, 1, 0, 0.05, 0, 0, 0))
    for _ in range(400):
        fleet.tick()
        if fleet.told_end:
            break
    assert len(fleet.used) == rows
    assert fleet.told_end


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 50), nodes=st.integers(1, 12))
def test_rows_in_turn_are_used_as_often_as_each_other(seed: int, rows: int, nodes: int) -> None:
    """Used in turn without trouble, the most used row was used no more often than the least used one but for what is in stock."""
    fleet = Fleet(rows, nodes, seed, Trouble(0, 0, 1, 0, 0, 0, 0, 0), endless=True)
    for _ in range(60):
        fleet.tick()
    assert max(fleet.used.values()) == 1  # of the numbers, which go on
    held = sum(len(node.stock) for node in fleet.nodes)
    by_row = [0] * rows
    for number in fleet.used:
        by_row[number % rows] += 1
    assert max(by_row) - min(by_row) <= 1 + held


def joined(book: LeaseBook, *workers: str) -> LeaseBook:
    for worker in workers:
        book.join(worker, 1)
    return book


def grants(book: LeaseBook, now_s: float = 0.0) -> list[Grant]:
    return list(book.grants(now_s))


def test_a_lease_is_given_once_however_often_it_is_asked_for_and_sent_again_when_it_was_lost() -> None:
    """What is on its way to a worker counts for what it wants, and is sent again when it has not come for long."""
    book = joined(LeaseBook(100, endless=False), "a_0")
    book.request("a_0", 1, 0, 10, 10)
    (first,) = grants(book)
    assert first == Grant("a_0", 1, [(0, 10)])
    book.request("a_0", 1, 0, 10, 10)
    assert grants(book, RESEND_S / 2) == []
    book.request("a_0", 1, 0, 12, 12)
    assert grants(book, RESEND_S / 2 + 0.1) == [Grant("a_0", 2, [(10, 12)])]
    book.request("a_0", 1, 0, 12, 12)
    assert grants(book, 2 * RESEND_S) == [first, Grant("a_0", 2, [(10, 12)])]
    book.request("a_0", 1, 2, 0, 0)
    book.request("a_0", 1, 2, 1, 1)
    assert grants(book, 9 * RESEND_S) == [Grant("a_0", 3, [(12, 13)])]


def test_what_a_worker_held_that_ended_before_it_had_users_goes_to_others() -> None:
    """Rows of a worker that was never ordered to run users go back when its process has ended, or another took its name."""
    book = joined(LeaseBook(4, endless=False), "a_0", "b_0")
    book.request("a_0", 1, 0, 2, 2)
    grants(book)
    book.end("a_0")
    assert (book.left, book.unsure) == (4, 0)
    book.join("a_0", 2)
    book.request("a_0", 2, 0, 2, 2)
    grants(book)
    book.join("a_0", 3)
    assert (book.left, book.unsure) == (4, 0)


def test_what_a_worker_with_users_held_is_given_to_nobody_when_it_is_lost() -> None:
    """Rows of a lost worker that ran users are unsure, until it comes back and says what became of them."""
    book = joined(LeaseBook(4, endless=False), "a_0", "b_0")
    book.note_users("a_0")
    book.request("a_0", 1, 0, 3, 3)
    grants(book)
    book.lose("a_0")
    assert (book.left, book.unsure) == (1, 3)
    book.request("b_0", 1, 0, 4, 4)
    assert grants(book) == [Grant("b_0", 1, [(3, 4)])]
    assert book.recalls(10.0) == []
    book.join("a_0", 1)
    assert book.unsure == 0
    assert book.report("a_0", 1, [(0, 1)], [(1, 3)]) is None
    assert (book.left, book.used) == (2, 1)


def test_another_process_of_a_lost_worker_makes_its_rows_unsure_for_good() -> None:
    """A restarted worker has nothing of what the one before held, and can't give it back."""
    book = joined(LeaseBook(4, endless=False), "a_0")
    book.note_users("a_0")
    book.request("a_0", 1, 0, 3, 3)
    grants(book)
    book.join("a_0", 2)
    assert book.report("a_0", 2, [(0, 1)], []) == NOT_LEASED
    assert (book.left, book.unsure, book.used) == (1, 3, 0)


def test_rows_that_others_have_left_are_asked_back_before_the_end_is_told() -> None:
    """While a worker has rows that nobody there waits for, nobody else is told that all are used."""
    book = joined(LeaseBook(4, endless=False), "a_0", "b_0")
    for worker in ("a_0", "b_0"):
        book.request(worker, 1, 0, 2, 2)
    assert len(grants(book)) == 2
    book.request("b_0", 1, 1, 1, 1)
    assert grants(book, 1.0) == []
    assert book.recalls(1.0) == ["a_0", "b_0"]
    assert book.recalls(1.0 + RECALL_S / 2) == []
    assert book.ends() == []
    book.report("b_0", 1, [(2, 4)], [])
    book.report("a_0", 1, [(0, 1)], [(1, 2)])
    assert grants(book, 2.0) == [Grant("b_0", 2, [(1, 2)])]
    book.request("b_0", 1, 2, 1, 1)
    assert book.ends() == []
    book.report("b_0", 1, [(1, 2)], [])
    assert book.ends() == ["b_0"]
    assert book.ends() == []


@pytest.mark.parametrize("claim", [(0, 2), (5, 6), (2, 5), (3, 3), (4, 3)])
def test_rows_that_are_another_workers_can_not_be_claimed(claim: tuple[int, int]) -> None:
    """What a worker says of rows that it does not hold changes nothing."""
    book = joined(LeaseBook(100, endless=False), "a_0", "b_0")
    for worker in ("a_0", "b_0"):
        book.request(worker, 1, 0, 2, 2)
    grants(book)
    before = book.state()
    assert book.report("b_0", 1, [claim], []) == NOT_LEASED
    assert book.report("b_0", 1, [], [claim]) == NOT_LEASED
    assert book.report("c_0", 1, [(0, 1)], []) == NOT_LEASED
    assert book.request("a_0", 1, 2, 1, 1) == UNKNOWN_LEASE
    assert book.request("c_0", 1, 0, 1, 1) is None
    assert grants(book) == []
    assert book.state() == before


def test_a_lease_has_no_more_bytes_than_a_message_may_have_and_one_row_at_least() -> None:
    """A lease ends before the row with which it would be too large; a row that is too large by itself comes alone."""
    sizes = [10, 10, 10, 500, 10]

    def fit(first: int, end: int, budget: int) -> tuple[int, int]:
        size = 0
        for number in range(first, end):
            if size + sizes[number] > budget:
                return number, size
            size += sizes[number]
        return end, size

    book = joined(LeaseBook(5, endless=False, fit=fit, max_bytes=25), "a_0")
    got = []
    for lease in range(4):
        book.request("a_0", 1, lease, 5, 5)
        got += [grant.spans for grant in grants(book)]
    assert got == [[(0, 2)], [(2, 3)], [(3, 4)], [(4, 5)]]
