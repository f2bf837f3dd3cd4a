"""The data rows of one worker: its users take them, the controller leases them to it (worker/wire/rows.py)."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from gevent.event import AsyncResult

from worker.load.rows.content import RowValues, by_column, parse_rows, parse_whole
from worker.load.rows.stock import COVER_S, KEPT, Stock, UseRate
from worker.wire.rows import MAX_DRAWS, DataTable, RowsLease, RowsRequest, RowsUsed, Use

ASK_INTERVAL_S = 0.5
"""While a user waits its worker asks so often."""
MAX_LOGGED = 10
_ENDED = object()

logger = logging.getLogger(__name__)


class AllRowsUsed(Exception):  # noqa: N818  # the data has come to its end, as planned
    """Every row of the table is used."""


class NoRowInTimeError(Exception):
    """No row came in time. Says for how long it was waited."""


@dataclass(frozen=True)
class RowsWorker:
    """What the rows of a worker need of it."""

    identity: str
    incarnation: int
    seed: int
    number: int
    """The worker's number in the fleet."""
    send: Callable[[RowsRequest], None]
    """Sends a request, or drops it where nobody listens."""
    has_users: Callable[[], bool]


class WorkerRows:
    """All tables of one worker."""

    def __init__(
        self, tables: Mapping[str, DataTable], worker: RowsWorker, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._worker = worker
        self._tables = {name: _new_table(name, table, worker, clock) for name, table in tables.items()}
        self.refused = 0
        """Leases that were refused."""

    @property
    def names(self) -> list[str]:
        """The names of the tables."""
        return list(self._tables)

    @property
    def has_users(self) -> bool:
        """Whether there are users who may take rows."""
        return self._worker.has_users()

    def columns(self, name: str) -> list[str]:
        """The columns of a table."""
        return self._tables[name].facts.columns

    def take(self, name: str, user_class: str, timeout_s: float) -> dict[str, Any]:
        """The next row of a table for a user, which waits for it if it must. Raises AllRowsUsed, NoRowInTimeError."""
        table = self._tables[name]
        return by_column(table.take(user_class, timeout_s), table.facts)

    def note_stopped(self, name: str, user_class: str) -> None:
        """A user is stopped, since all rows of the table are used."""
        self._tables[name].stock.note_stopped(user_class)

    def begin(self) -> None:
        """The worker has joined its controller: ask for what its users will take first."""
        for table in self._tables.values():
            table.ask(first=True)

    def accept(self, data: Any) -> None:
        """Take in a lease, as it came over the wire. One that can't be meant is refused and logged, without what is in it."""
        try:
            lease = msgspec.convert(data, RowsLease)
            self._tables[lease.table].accept(lease)
        except (ValueError, KeyError) as error:
            self.refused += 1
            if self.refused <= MAX_LOGGED:
                logger.warning("%s refuses a lease of data rows: %s", self._worker.identity, type(error).__name__)

    def recall(self, data: Any) -> None:
        """The controller needs rows for others: give back, with the next report, what no user here waits for."""
        table = self._tables.get(data) if isinstance(data, str) else None
        if table is not None:
            table.stock.give_back_all()
            table.ask(first=True)

    def pop_used(self, *, final: bool = False) -> list[RowsUsed]:
        """What the report that is being made has to say; with a `final` one all goes back that was not used."""
        made = []
        for table in self._tables.values():
            if self.has_users:
                table.stock.note_users(table.clock())
            if final:
                table.stock.give_back_all()
            else:
                table.stock.give_back_surplus(table.clock())
            used = table.stock.pop_used()
            if used is not None:
                made.append(used)
        return made


class _Table:
    """One table, whose rows are leased."""

    def __init__(self, name: str, facts: DataTable, worker: RowsWorker, clock: Callable[[], float]) -> None:
        self.facts = facts
        self.clock = clock
        self.stock: Stock[RowValues | None] = Stock(name, facts.first)
        self._name = name
        self._worker = worker
        self._waiting: deque[tuple[AsyncResult, str]] = deque()
        self._whole: tuple[RowValues, ...] | None = None

    def take(self, user_class: str, timeout_s: float) -> RowValues:
        found = None if self._waiting else self._next()
        if found is None:
            found = self._wait(user_class, timeout_s)
        elif self.stock.wanted(0, self.clock()):
            self.ask()
        return found

    def _next(self) -> RowValues | None:
        if self.facts.whole and self._whole is None:
            return None
        taken = self.stock.take(self.clock())
        if taken is None:
            return None
        number, values = taken
        return self._content(number) if values is None else values

    def _content(self, number: int) -> RowValues:
        assert self._whole is not None
        return self._whole[number % len(self._whole)]

    def _wait(self, user_class: str, timeout_s: float) -> RowValues:
        began_s = self.clock()
        place = (AsyncResult(), user_class)
        self._waiting.append(place)
        self.ask()
        try:
            while (left_s := began_s + timeout_s - self.clock()) > 0:
                if place[0].wait(min(left_s, ASK_INTERVAL_S)) is not None or place[0].ready():
                    break
                self.ask()
        finally:
            if place in self._waiting:
                self._waiting.remove(place)
        waited_s = self.clock() - began_s
        if not place[0].ready():
            self.stock.note_timeout(waited_s)
            raise NoRowInTimeError(f"{waited_s:.1f} s")
        if place[0].value is _ENDED:
            raise AllRowsUsed
        self.stock.note_wait(waited_s)
        found: RowValues = place[0].value
        return found

    def ask(self, *, first: bool = False) -> None:
        """Send a request, unless one is under way; a `first` one for what there should be when users begin."""
        now_s = self.clock()
        if not (first or self._waiting or self.stock.wanted(0, now_s)):
            return
        self.stock.note_asked(now_s)
        waiting = Counter(user_class for _, user_class in self._waiting)
        self._worker.send(
            RowsRequest(
                table=self._name,
                incarnation=self._worker.incarnation,
                received=self.stock.received,
                wanted=self.stock.lacking(len(self._waiting), now_s),
                waiting=dict(waiting),
                whole=self.facts.whole and self._whole is None,
            )
        )

    def accept(self, lease: RowsLease) -> None:
        if lease.ended:
            self._end()
            return
        if self.facts.whole and lease.content and self._whole is None:
            self._accept_whole(lease.content)
        if lease.spans:
            numbers = [number for first, end in lease.spans for number in range(first, end)]
            rows: list[RowValues] | list[None] = (
                [None] * len(numbers) if self.facts.whole else parse_rows(lease.content, self.facts)
            )
            if len(rows) != len(numbers):
                raise ValueError("as many rows as numbers are leased")
            self.stock.receive(lease.number, zip(numbers, rows, strict=True), self.clock())
        self._serve()

    def _accept_whole(self, content: bytes) -> None:
        rows = parse_whole(content, self.facts.format, len(self.facts.columns))
        if len(rows) != self.facts.rows:
            raise ValueError("the whole table has another number of rows")
        self._whole = rows

    def _serve(self) -> None:
        while self._waiting and (found := self._next()) is not None:
            self._waiting.popleft()[0].set(found)

    def _end(self) -> None:
        while self._waiting:
            self._waiting.popleft()[0].set(_ENDED)


class _RandomTable(_Table):
    """One table with random rows. It draws by itself; only their content is asked for, where it has not got the whole table."""

    def __init__(self, name: str, facts: DataTable, worker: RowsWorker, clock: Callable[[], float]) -> None:
        super().__init__(name, facts, worker, clock)
        self._random = random.Random(f"{worker.seed}/{name}/{worker.number}")  # noqa: S311  # no secret
        self._drawn: deque[int] = deque()
        """Rows that were drawn, and have not come."""
        self._ready: deque[RowValues] = deque()
        self._received = 0
        self._rate = UseRate()
        self._asked_s = 0.0

    def _next(self) -> RowValues | None:
        now_s = self.clock()
        if self.facts.whole:
            if self._whole is None:
                return None
            found = self._whole[self._random.randrange(self.facts.rows)]
        elif self._ready:
            found = self._ready.popleft()
        else:
            return None
        self._rate.note(now_s)
        self.stock.note_taken(now_s)
        return found

    def take(self, user_class: str, timeout_s: float) -> RowValues:
        found = super().take(user_class, timeout_s)
        if not self.facts.whole and len(self._ready) <= self._target() / 2:
            self.ask()
        return found

    def _target(self) -> int:
        return min(MAX_DRAWS, KEPT + len(self._waiting) + int(self._rate.per_s(self.clock()) * COVER_S) + 1)

    def ask(self, *, first: bool = False) -> None:
        now_s = self.clock()
        if not first and now_s - self._asked_s < ASK_INTERVAL_S / 2 and self._asked_s:
            return
        self._asked_s = now_s
        if not self.facts.whole:
            while len(self._drawn) < self._target() - len(self._ready):
                self._drawn.append(self._random.randrange(self.facts.rows))
        self._worker.send(
            RowsRequest(
                table=self._name,
                incarnation=self._worker.incarnation,
                received=self._received,
                draws=list(self._drawn)[:MAX_DRAWS],
                whole=self.facts.whole and self._whole is None,
            )
        )

    def accept(self, lease: RowsLease) -> None:
        if self.facts.whole:
            if lease.content and self._whole is None:
                self._accept_whole(lease.content)
        elif lease.number == self._received and lease.spans:
            rows = parse_rows(lease.content, self.facts)
            count = sum(end - first for first, end in lease.spans)
            if len(rows) != count or count > len(self._drawn):
                raise ValueError("other rows than were drawn")
            self._received += count
            for _ in range(count):
                self._drawn.popleft()
            self._ready.extend(rows)
            self._asked_s = 0.0
        self._serve()


def _new_table(name: str, facts: DataTable, worker: RowsWorker, clock: Callable[[], float]) -> _Table:
    return (_RandomTable if facts.use is Use.RANDOM else _Table)(name, facts, worker, clock)
