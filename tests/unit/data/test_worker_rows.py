"""A worker's users take rows of what the controller has leased to it, and wait where nothing is there yet."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust import User
from locust.exception import StopUser

from worker.data import Row, RowsError, RowsTimeoutError, provide, rows
from worker.load.rows.spans import SpanSet
from worker.load.rows.stock import COVER_S, KEEP_S, Stock
from worker.load.rows.worker_rows import MAX_LOGGED, RowsWorker, WorkerRows
from worker.wire.rows import DataTable, RowsRequest, Use

numbers = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(1, 8)), max_size=40)


@given(numbers)
def test_a_set_of_spans_is_a_set_of_numbers(steps: list[tuple[bool, int, int]]) -> None:
    """Whatever is added and removed, the spans have the numbers of a plain set, in order and as few spans as can be."""
    spans, plain = SpanSet(), set[int]()
    for add, first, count in steps:
        some = set(range(first, first + count))
        if add and not some & plain:
            spans.add(first, first + count)
            plain |= some
        elif not add and some <= plain:
            spans.remove(first, first + count)
            plain -= some
        else:
            with pytest.raises(ValueError, match=r"twice|not in the set"):
                (spans.add if add else spans.remove)(first, first + count)
        assert [number for start, end in spans for number in range(start, end)] == sorted(plain)
        assert spans.total == len(plain)
        assert len(spans) == sum(number - 1 not in plain for number in plain)
        assert spans.has(first, first + count) == (some <= plain)
        assert spans.overlaps(first, first + count) == bool(some & plain)


@pytest.fixture(autouse=True)
def worker_greenlet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the test's greenlet, from which users are spawned, be as one that gevent has spawned."""
    monkeypatch.setattr(gevent.getcurrent(), "spawn_tree_locals", {}, raising=False)


def stock(count: int, first: int = 1) -> Stock[None]:
    made: Stock[None] = Stock("accounts", first)
    made.note_users(0.0)
    made.receive(1, [(number, None) for number in range(count)], 0.0)
    return made


def test_the_stock_follows_the_use() -> None:
    """At ten rows a second there is to be what is used while a lease comes; when nobody takes any more, it goes back."""
    full = stock(1000)
    now_s = 0.0
    for _ in range(100):
        now_s += 0.1
        full.take(now_s)
    target = full.lacking(0, now_s) + len(full)
    assert len(full) == 900
    full.give_back_surplus(now_s)
    assert len(full) == 900
    full.give_back_surplus(KEEP_S + 1)
    kept = len(full)
    assert kept < 10 * COVER_S <= target + 1
    said = full.pop_used()
    assert said is not None
    assert (said.used, said.returned, said.taken) == ([(0, 100)], [(100 + kept, 1000)], 100)
    assert full.pop_used() is None


def test_rows_for_users_to_come_are_asked_for_before_they_begin_and_kept_until_then() -> None:
    """Before there are users the stock is what they will take first, however long they take to come."""
    made: Stock[None] = Stock("accounts", 20)
    assert made.wanted(0, 0.0) == 20
    made.receive(1, [(number, None) for number in range(20)], 0.0)
    made.give_back_surplus(100 * KEEP_S)
    assert len(made) == 20


def test_a_lease_that_comes_again_or_too_early_is_not_taken_in() -> None:
    """Leases come in order; another one is dropped, and sent again by the controller."""
    made = stock(2)
    assert not made.receive(1, [(7, None)], 0.0)
    assert not made.receive(3, [(8, None)], 0.0)
    assert made.receive(2, [(9, None)], 0.0)
    assert [made.take(0.0) for _ in range(4)] == [(0, None), (1, None), (9, None), None]


class Sent(list[RowsRequest]):
    """What a worker has asked for."""


def worker(use: Use = Use.UNIQUE, *, whole: bool = False, count: int = 100, seed: int = 7) -> tuple[WorkerRows, Sent]:
    sent = Sent()
    facts = DataTable(use=use, rows=count, columns=["user", "word"], format="csv", whole=whole)
    made = WorkerRows({"accounts": facts}, RowsWorker("pi1_0", 5, seed, 3, sent.append, lambda: True))
    provide(made)
    return made, sent


def content(*names: int) -> bytes:
    return "".join(f"u{name},w{name}\n" for name in names).encode()


class Visitor(User):
    """A user whose class the rows are told."""


def take(timeout_s: float = 5.0) -> Any:
    return rows("accounts").take(timeout_s=timeout_s)


def test_a_user_gets_a_row_by_column_and_the_report_says_which() -> None:
    """Each user gets another row, and what was taken is told by number."""
    made, _ = worker()
    made.accept(["accounts", 1, [[5, 7]], content(5, 6), False])
    row = take()
    assert (row["user"], take()["word"]) == ("u5", "w6")
    with pytest.raises(KeyError, match=r"no column 'usr'; did you mean 'user'\? \(columns: user, word\)") as caught:
        row["usr"]
    assert "u5" not in str(caught.value)
    (said,) = made.pop_used()
    assert (said.used, said.returned, said.taken, said.waits) == ([(5, 7)], [], 2, 0)


def test_users_that_wait_are_served_in_order_when_a_lease_comes() -> None:
    """Users wait without a row, the request says how many, and those who came first get the first rows."""
    made, sent = worker()
    users = [gevent.spawn(take) for _ in range(3)]
    gevent.sleep(0)
    assert sum(sent[-1].waiting.values()) == 3
    assert sent[-1].wanted >= 3
    made.accept(["accounts", 1, [[0, 2]], content(0, 1), False])
    gevent.joinall(users[:2], timeout=5)
    assert [user.value["user"] for user in users[:2]] == ["u0", "u1"]
    made.accept(["accounts", 2, [[9, 10]], content(9), False])
    assert users[2].get(timeout=5)["user"] == "u9"
    (said,) = made.pop_used()
    assert (said.used, said.waits) == ([(0, 2), (9, 10)], 3)


def test_a_user_that_is_stopped_while_it_waits_takes_no_row() -> None:
    """The row goes to the next one."""
    made, _ = worker()
    users = [gevent.spawn(take) for _ in range(2)]
    gevent.sleep(0)
    users[0].kill()
    made.accept(["accounts", 1, [[0, 1]], content(0), False])
    assert users[1].get(timeout=5)["user"] == "u0"


def test_users_are_stopped_when_all_rows_are_used() -> None:
    """At the end of the data each user that waits is stopped, and counted by its class."""
    made, _ = worker()
    user = Visitor.__new__(Visitor)
    waiting = gevent.spawn(lambda _user: take(), user)
    gevent.sleep(0)
    made.accept(["accounts", 0, [], b"", True])
    with pytest.raises(StopUser):
        waiting.get(timeout=5)
    (said,) = made.pop_used()
    assert said.stopped == {"Visitor": 1}


def test_a_user_that_waits_in_vain_gets_an_exception_that_says_so() -> None:
    """Without a controller a take ends at its time limit, and is counted."""
    made, sent = worker()
    with pytest.raises(RowsTimeoutError, match=r"no row of 'accounts' came within 0.0 s: is the controller there"):
        take(timeout_s=0.02)
    assert sent
    (said,) = made.pop_used()
    assert (said.timeouts, said.used) == (1, [])


def test_what_is_recalled_goes_back_but_not_what_was_taken() -> None:
    """Rows that others wait for are given back with the next report; those of a final report likewise."""
    made, sent = worker()
    made.accept(["accounts", 1, [[0, 4]], content(0, 1, 2, 3), False])
    take()
    made.recall("accounts")
    assert sent[-1].received == 1
    (said,) = made.pop_used()
    assert (said.used, said.returned) == ([(0, 1)], [(1, 4)])
    made.accept(["accounts", 2, [[7, 9]], content(7, 8), False])
    (said,) = made.pop_used(final=True)
    assert (said.used, said.returned) == ([], [(7, 9)])


def test_a_small_table_is_sent_once_and_leases_are_numbers_alone() -> None:
    """Rows that are used in turn go on behind the last one with the first."""
    made, sent = worker(Use.CYCLE, whole=True, count=3)
    made.begin()
    assert sent[-1].whole
    made.accept(["accounts", 1, [[2, 5]], b"", False])
    waiting = gevent.spawn(take)
    gevent.sleep(0)
    made.accept(["accounts", 0, [], content(0, 1, 2), False])
    assert [waiting.get(timeout=5)["user"], take()["user"], take()["user"]] == ["u2", "u0", "u1"]


@pytest.mark.parametrize("whole", [True, False])
def test_random_rows_are_the_same_with_the_same_seed(whole: bool) -> None:
    """Each worker draws by the scenario's seed and its number, however rows come to it."""

    def drawn(seed: int) -> list[str]:
        made, sent = worker(Use.RANDOM, whole=whole, count=50, seed=seed)
        if whole:
            made.accept(["accounts", 0, [], content(*range(50)), False])
            return [take()["user"] for _ in range(20)]
        names = []
        while len(names) < 20:
            waiting = gevent.spawn(take)
            gevent.sleep(0)
            if not waiting.ready():
                asked = sent[-1]
                end = asked.received + len(asked.draws)
                made.accept(["accounts", asked.received, [[asked.received, end]], content(*asked.draws), False])
            names.append(waiting.get(timeout=5)["user"])
        return names

    assert drawn(1) == drawn(1) != drawn(2)


def test_random_rows_that_come_twice_are_taken_in_once() -> None:
    """An answer to a request that was answered already is dropped."""
    made, sent = worker(Use.RANDOM, count=50)
    made.begin()
    draws = sent[-1].draws
    made.accept(["accounts", 0, [[0, len(draws)]], content(*draws), False])
    made.accept(["accounts", 0, [[0, len(draws)]], content(*draws), False])
    assert [take()["user"] for _ in draws] == [f"u{row}" for row in draws]
    with pytest.raises(RowsTimeoutError):
        take(timeout_s=0)


@pytest.mark.parametrize(
    "data",
    [None, "x", ["accounts"], ["other", 1, [], b"", False], ["accounts", 1, [[0, 2]], b"a,b\n", False],
     ["accounts", 1, [[0, 1]], b"a\n", False], ["accounts", 1, [[0, 1]], b"\xff,b\n", False], ["accounts", 1, [[0, -1]], b"", False]],
)  # fmt: skip
def test_a_lease_that_can_not_be_meant_is_refused_without_what_is_in_it(
    data: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever comes, nothing of it is taken in, and no row comes into a log."""
    made, _ = worker()
    for _ in range(MAX_LOGGED + 5):
        made.accept(data)
    assert made.refused == MAX_LOGGED + 5
    assert len(caplog.records) == MAX_LOGGED
    assert not any("a,b" in record.getMessage() for record in caplog.records)
    with pytest.raises(RowsTimeoutError):
        take(timeout_s=0)


def test_a_table_that_there_is_not_is_named_with_those_that_there_are() -> None:
    """A wrong name is an error of the user's code, with the nearest name."""
    worker()
    with pytest.raises(RowsError, match=r"no table 'acounts'; did you mean 'accounts'\? \(tables: accounts\)"):
        rows("acounts").take()


def test_rows_are_for_users_of_a_run() -> None:
    """Outside of a run, and before users run, there is nothing to take; to name a table is allowed anywhere."""
    with pytest.raises(RowsError, match="there is none here"):
        gevent.spawn(lambda: gevent.getcurrent().spawn_tree_locals.clear() or take()).get()
    facts = DataTable(use=Use.UNIQUE, rows=1, columns=["a"], format="csv")
    provide(WorkerRows({"accounts": facts}, RowsWorker("pi1_0", 5, 0, 3, lambda _: None, lambda: False)))
    with pytest.raises(RowsError, match="call take\\(\\) in on_start or in a task"):
        take()


def test_a_row_is_a_mapping() -> None:
    row = Row({"user": "ann"})
    assert (dict(row), row.get("word")) == ({"user": "ann"}, None)
