"""The seconds of a run as run.db has them, in order of time; those that are thinned in spans of up to a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from master.judge.seconds.second_facts import SecondFacts, WorkerFacts
from master.store import RequestRow, StoreReader, WorkersSecond
from master.store.packed_reader import FIRST_S, LAST_S

Row = TypeVar("Row", bound=tuple[Any, ...])


def stored_seconds(
    store: StoreReader, steady: Sequence[int], start_s: int | None = None, end_s: int = LAST_S
) -> Iterator[tuple[int, SecondFacts]]:
    """Every second from `start_s` on, before `end_s`, in which a request ended, and every one of `steady`, with what is known of it.

    `steady` is in order. Without a `start_s`, the first is that from which on seconds are kept one by one; see `stored_spans` for those
    before. Memory is for one second.
    """
    first_s = (store.thinned().requests_before or FIRST_S) if start_s is None else start_s
    workers, waiting, arrivals = (
        SecondCursor(store.workers_by_second(first_s, end_s), itemgetter(0)),
        SecondCursor(store.waiting(first_s, end_s), itemgetter(0)),
        SecondCursor(store.arrivals_by_second(first_s, end_s), itemgetter(0)),
    )
    offered = {row.second: row.offered for row in store.seconds(first_s, end_s) if row.offered is not None}
    idle = [second for second in steady if first_s <= second < end_s]
    busy = groupby(store.requests_by_second(first_s, end_s), key=itemgetter(0))
    for second, rows in _with_idle(busy, idle):
        facts = SecondFacts()
        for requests in rows:
            facts.add_requests(requests.endpoint, requests.tally, fit=requests.fit)
        for row in workers.at(second):
            facts.workers[""] = WorkerFacts(row.users, row.in_flight, row.exceptions, row.local_errors)
        for _, endpoint, count, ages in waiting.at(second):
            facts.add_in_flight(endpoint, count, ages)
        facts.offered = offered.get(second)
        for _, user_class, made, fit in arrivals.at(second):
            facts.add_arrivals(user_class, made, fit=fit)
        yield second, facts


class StoredSpan(NamedTuple):
    """Thinned seconds, all steady or none, and of one stage."""

    second: int
    """The first."""
    span_s: int
    """How many there are."""
    facts: SecondFacts
    """What is known of all together: users are added up, requests in flight are the most of a second."""
    users: list[tuple[int, int]]
    """The users of each second of which they are known."""


def stored_spans(store: StoreReader, steady: Sequence[int]) -> Iterator[StoredSpan]:
    """What is thinned of a run: every span in which a request ended, or an arrival was due, and every other steady second as one of its own."""
    end_s = store.thinned().requests_before
    if not end_s:
        return
    requests = SecondCursor((row for row in store.requests() if row.second < end_s), attrgetter("second"))
    arrivals = SecondCursor((row for row in store.arrivals() if row[0] < end_s), itemgetter(0))
    workers = SecondCursor(store.workers_by_second(FIRST_S, end_s), itemgetter(0))
    waiting = SecondCursor(store.waiting(FIRST_S, end_s), itemgetter(0))
    offered = {row.second: row.offered for row in store.seconds(FIRST_S, end_s) if row.offered is not None}
    for second, span_s in _extents(store, [each for each in steady if each < end_s], end_s):
        facts = SecondFacts()
        for row in requests.at(second):
            facts.add_requests(row.endpoint, row.tally, fit=row.fit)
        for _, user_class, made, fit in arrivals.at(second):
            facts.add_arrivals(user_class, made, fit=fit)
        due = [offered[each] for each in range(second, second + span_s) if each in offered]
        facts.offered = sum(due) if due else None
        of_workers = workers.within(second, second + span_s)
        if of_workers:
            facts.workers[""] = _together(of_workers)
        for _, endpoint, count, ages in waiting.within(second, second + span_s):
            facts.add_in_flight(endpoint, count, ages)
        yield StoredSpan(
            second, span_s, facts, [(each.second, each.users) for each in of_workers if each.users is not None]
        )


def _together(rows: Sequence[WorkersSecond]) -> WorkerFacts:
    users = [row.users for row in rows if row.users is not None]
    return WorkerFacts(
        sum(users) if users else None,
        max(row.in_flight for row in rows),
        sum(row.exceptions for row in rows),
        sum(row.local_errors for row in rows),
    )


def _extents(store: StoreReader, steady: Sequence[int], end_s: int) -> Iterator[tuple[int, int]]:
    """The spans that run.db has as first second and length, and between them the other `steady` seconds, in order."""
    place, position_s = 0, FIRST_S
    for second, span_s in chain(store.span_extents(), [(end_s, 0)]):
        while place < len(steady) and steady[place] < second:
            if steady[place] >= position_s:
                yield steady[place], 1
            place += 1
        if span_s > 0:
            yield second, span_s
            position_s = second + span_s


def _with_idle(
    busy: Iterator[tuple[int, Iterator[RequestRow]]], steady: Sequence[int]
) -> Iterator[tuple[int, Iterator[RequestRow]]]:
    """`busy` seconds with their rows, and between them those of `steady` in which no request ended."""
    place = 0
    for second, rows in busy:
        while place < len(steady) and steady[place] <= second:
            if steady[place] < second:
                yield steady[place], iter(())
            place += 1
        yield second, rows
    for second in steady[place:]:
        yield second, iter(())


class SecondCursor(Generic[Row]):
    """Rows in order of their second, taken second by second: what is asked for must come in ascending order."""

    def __init__(self, rows: Iterator[Row], second_of: Callable[[Row], int]) -> None:
        self._rows = rows
        self._second_of = second_of
        self._next: list[Row] = []

    def before(self, second: int) -> Iterator[Row]:
        """All rows not taken yet of seconds before this one."""
        for row in chain(self._next, self._rows):
            self._next = [row]
            if self._second_of(row) >= second:
                return
            yield row
        self._next = []

    def at(self, second: int) -> list[Row]:
        """The rows of this second; those before it are passed over."""
        return self.within(second, second + 1)

    def within(self, start_s: int, end_s: int) -> list[Row]:
        """The rows of the seconds from `start_s` to before `end_s`; those before it are passed over."""
        for _ in self.before(start_s):
            pass
        return list(self.before(end_s))
