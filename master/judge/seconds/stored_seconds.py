"""The seconds of a run as run.db has them, in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Generic, TypeVar

from master.judge.seconds.second_facts import SecondFacts, WorkerFacts
from master.store import RequestRow, StoreReader

Row = TypeVar("Row", bound=tuple[Any, ...])


def stored_seconds(store: StoreReader, steady: Sequence[int]) -> Iterator[tuple[int, SecondFacts]]:
    """Every second in which a request ended, and every one of `steady`, which is in order, with what is known of it.

    Memory is for one second.
    """
    workers, waiting, arrivals = (
        SecondCursor(store.workers_by_second(), itemgetter(0)),
        SecondCursor(store.waiting(), itemgetter(0)),
        SecondCursor(store.arrivals(), itemgetter(0)),
    )
    offered = {row.second: row.offered for row in store.seconds() if row.offered is not None}
    for second, rows in _with_idle(groupby(store.requests(), key=itemgetter(0)), steady):
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
        for _ in self.before(second):
            pass
        return list(self.before(second + 1))
