"""Which numbers of a table are leased to which worker, so that none is used twice. Pure; times are parameters.

A number that is leased may be used by its worker at any moment. So it goes to another one only when its worker has said that it
gives it back unused, or is known to have ended before it had any users. What a lost worker held is *unsure*: used or not, it is
never given again. A worker that was lost and comes back says what became of its numbers.

Let what is granted be stored before it is sent: a lease that was stored and not sent is sent again when its worker asks; one that
was sent and not stored would be leased to another worker by the next controller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from worker.load.rows.spans import Span, SpanSet

RESEND_S = 2.5
"""A lease that its worker does not know of after so long is sent again."""
RECALL_S = 1.5
"""Workers with rows that they may not need are asked so often to give them back, while others wait for one."""
MAX_OUT = 50_000
"""The most numbers that one worker has at a time."""
MAX_SPANS = 1000
"""The most spans of a lease."""
NOT_LEASED = "rows that were not leased to it"
UNKNOWN_LEASE = "a lease of rows that there was not"

Fit = Callable[[int, int, int], tuple[int, int]]
"""From the first number, the end and a budget in bytes: up to where the rows fit, and how many bytes these have."""


class Grant(NamedTuple):
    """What a worker is to be sent. Without spans: that all rows are used."""

    worker: str
    number: int
    spans: list[Span]


class StoredHolding(msgspec.Struct):
    """What a worker held, as it is stored. `incarnation` is that of Ready."""

    worker: str
    incarnation: int
    lease: int
    out: list[Span]
    unreceived: dict[int, list[Span]]


class StoredBook(msgspec.Struct):
    """Where a table stands, as it is stored, without what workers hold."""

    next: int = 0
    free: list[Span] = []
    used: int = 0


class _Holding:
    def __init__(self) -> None:
        self.lease = 0
        """The number of the latest lease."""
        self.out = SpanSet()
        """What is leased, and not said to be used or given back."""
        self.unreceived: dict[int, list[Span]] = {}
        """Leases that the worker may not know of."""
        self.sent_s = 0.0
        self.recalled_s = -RECALL_S
        self.may_have_used = False
        self.lost = False


class _Request(NamedTuple):
    received: int
    wanted: int
    waiting: int


_Holder = tuple[str, int]


class LeaseBook:
    """The leases of one table."""

    def __init__(
        self, rows: int, *, endless: bool, fit: Fit = lambda _first, end, _budget: (end, 0), max_bytes: int = 1
    ) -> None:
        """`endless`: numbers go on behind the last row. A lease has no more than `max_bytes` by `fit`, but for a single row."""
        self._rows = rows
        self._endless = endless
        self._fit = fit
        self._max_bytes = max_bytes
        self._next = 0
        self._free = SpanSet()
        self._holdings: dict[_Holder, _Holding] = {}
        self._incarnations: dict[str, int] = {}
        """Of the workers that are there."""
        self._requests: dict[_Holder, _Request] = {}
        self._with_users: set[str] = set()
        """Workers that were ever ordered to run users."""
        self._assume_users = False
        """Whether another controller may have ordered any worker to run users."""
        self.used = 0
        """How many numbers workers have said that they used."""
        self.dirty: set[_Holder] = set()
        """Whose holdings have changed since they were stored; whoever stores them empties it."""

    @classmethod
    def restored(
        cls,
        rows: int,
        state: StoredBook,
        holdings: Iterable[StoredHolding],
        *,
        endless: bool,
        fit: Fit = lambda _first, end, _budget: (end, 0),
        max_bytes: int = 1,
    ) -> LeaseBook:
        """Go on where another controller stood. Its workers count as lost until they join."""
        book = cls(rows, endless=endless, fit=fit, max_bytes=max_bytes)
        book._next, book._free, book.used = state.next, SpanSet(state.free), state.used
        for stored in holdings:
            holding = book._holdings[stored.worker, stored.incarnation] = _Holding()
            holding.lease, holding.out = stored.lease, SpanSet(stored.out)
            holding.unreceived = dict(stored.unreceived)
            holding.may_have_used = holding.lost = True
        book._assume_users = True
        return book

    def state(self) -> StoredBook:
        """What is to be stored beside the holdings."""
        return StoredBook(self._next, list(self._free), self.used)

    def holding(self, holder: _Holder) -> StoredHolding | None:
        """What is to be stored of a holder; None when nothing is."""
        holding = self._holdings.get(holder)
        if holding is None:
            return None
        return StoredHolding(*holder, holding.lease, list(holding.out), dict(holding.unreceived))

    # Figures

    @property
    def left(self) -> int | None:
        """How many numbers can be leased now; None where there is no end."""
        return None if self._endless else self._rows - self._next + self._free.total

    @property
    def out(self) -> int:
        """How many numbers workers that are there hold, or have used and not reported."""
        return sum(holding.out.total for holding in self._holdings.values() if not holding.lost)

    @property
    def unsure(self) -> int:
        """How many numbers lost workers held: nobody knows which of them were used."""
        return sum(holding.out.total for holding in self._holdings.values() if holding.lost)

    @property
    def spans(self) -> int:
        """How many spans all of it is kept in."""
        return len(self._free) + sum(len(holding.out) for holding in self._holdings.values())

    # Who is there

    def join(self, worker: str, incarnation: int) -> None:
        """A worker is there, or again. One of another incarnation has ended, whoever knows when."""
        before = self._incarnations.get(worker)
        self._incarnations[worker] = incarnation
        if before is not None and before != incarnation:
            self._end((worker, before))
        if self._assume_users:  # what another controller has leased to one that ended without it
            for holder in [holder for holder in self._holdings if holder[0] == worker and holder[1] != incarnation]:
                self._end(holder)
        if (holding := self._holdings.get((worker, incarnation))) is not None:
            holding.lost = False

    def note_users(self, worker: str) -> None:
        """A worker is ordered to run users: it may use what it holds from now on."""
        if worker not in self._with_users:
            self._with_users.add(worker)
            holding = self._holdings.get((worker, self._incarnations.get(worker, 0)))
            if holding is not None:
                holding.may_have_used = True

    def lose(self, worker: str) -> None:
        """Nothing is heard of a worker any more; it may go on with what it holds all the same."""
        incarnation = self._incarnations.pop(worker, None)
        if incarnation is not None:
            holder = worker, incarnation
            self._requests.pop(holder, None)
            if (holding := self._holdings.get(holder)) is not None:
                holding.lost = True

    def end(self, worker: str) -> None:
        """The process of a worker has ended."""
        incarnation = self._incarnations.pop(worker, None)
        if incarnation is not None:
            self._end((worker, incarnation))

    def _end(self, holder: _Holder) -> None:
        self._requests.pop(holder, None)
        holding = self._holdings.get(holder)
        if holding is None:
            return
        holding.lost = True
        if not holding.may_have_used:
            for first, end in holding.out:
                self._free.add(first, end)
            holding.out = SpanSet()
        self._forget_if_empty(holder, holding)
        self.dirty.add(holder)

    def _forget_if_empty(self, holder: _Holder, holding: _Holding) -> None:
        if not holding.out.total and self._incarnations.get(holder[0]) != holder[1]:
            del self._holdings[holder]

    # What workers say

    def request(self, worker: str, incarnation: int, received: int, wanted: int, waiting: int) -> str | None:
        """A worker asks for `wanted` numbers beyond those of the leases up to `received`; what is wrong with that."""
        if self._incarnations.get(worker) != incarnation:
            return None  # it is on its way out, or has not joined yet: it asks again
        holder = worker, incarnation
        holding = self._holdings.get(holder)
        if received > (0 if holding is None else holding.lease):
            return UNKNOWN_LEASE
        if holding is not None and holding.unreceived:
            known = [number for number in holding.unreceived if number <= received]
            for number in known:
                del holding.unreceived[number]
            if known:
                self.dirty.add(holder)
        if wanted or (holding is not None and holding.unreceived):
            self._requests[holder] = _Request(received, wanted, min(waiting, wanted))
        else:
            self._requests.pop(holder, None)
        return None

    def report(self, worker: str, incarnation: int, used: Iterable[Span], returned: Iterable[Span]) -> str | None:
        """A worker has used some of what it held, and gives some back; what is wrong with that, which then does not count."""
        holder = worker, incarnation
        holding = self._holdings.get(holder)
        fault = None
        for spans, back in ((used, False), (returned, True)):
            for first, end in spans:
                if holding is None or not first < end or not holding.out.has(first, end):
                    fault = NOT_LEASED
                    continue
                holding.out.remove(first, end)
                if back:
                    self._free.add(first, end)
                else:
                    self.used += end - first
                self.dirty.add(holder)
        if holding is not None:
            self._forget_if_empty(holder, holding)
        return fault

    # What they get

    def grants(self, now_s: float) -> Iterator[Grant]:
        """What is to be sent now, those with waiting users first. What is not asked of this stays for the next time."""
        for holder, request in sorted(self._requests.items(), key=lambda item: item[1].waiting == 0):
            yield from self._grant(holder, request, now_s)

    def _grant(self, holder: _Holder, request: _Request, now_s: float) -> Iterator[Grant]:
        holding = self._holdings.get(holder)
        under_way = 0
        if holding is not None and holding.unreceived:
            under_way = sum(end - first for spans in holding.unreceived.values() for first, end in spans)
            if now_s - holding.sent_s >= RESEND_S:
                holding.sent_s = now_s
                for number, spans in sorted(holding.unreceived.items()):
                    yield Grant(holder[0], number, spans)
        wanted = request.wanted - under_way
        if wanted <= 0:
            self._requests.pop(holder, None)
            return
        spans = self._take(self._share(wanted, request.waiting - under_way, holding))
        if not spans:
            if not request.waiting:
                self._requests.pop(holder, None)
            return  # who waits gets what others give back, or is told that there is no more
        self._requests.pop(holder, None)
        if holding is None:
            holding = self._holdings[holder] = _Holding()
            holding.may_have_used = self._assume_users or holder[0] in self._with_users
        holding.lease += 1
        holding.unreceived[holding.lease] = spans
        holding.sent_s = now_s
        for first, end in spans:
            holding.out.add(first, end)
        self.dirty.add(holder)
        yield Grant(holder[0], holding.lease, spans)

    def _share(self, wanted: int, waiting: int, holding: _Holding | None) -> int:
        """How many of the wanted numbers a worker gets: towards the end of the data not many more than it has users for."""
        count = min(wanted, MAX_OUT - (0 if holding is None else holding.out.total))
        left = self.left
        if left is None:
            return count
        return min(count, left, max(waiting, left // (2 * max(1, len(self._incarnations)))))

    def _take(self, count: int) -> list[Span]:
        spans: list[Span] = []
        budget = self._max_bytes
        while count > 0 and len(spans) < MAX_SPANS:
            span = self._free.peek()
            first, end = span or (self._next, self._next + count if self._endless else self._rows)
            end = min(end, first + count)
            if end <= first:
                break
            fits, size = self._fit(first, end, budget)
            if fits <= first:
                if spans:
                    break
                fits, size = first + 1, budget
            if span is None:
                self._next = fits
            else:
                self._free.remove(first, fits)
            budget -= size
            count -= fits - first
            spans.append((first, fits))
            if fits < end or budget <= 0:
                break
        return spans

    # The end of the data

    def recalls(self, now_s: float) -> list[str]:
        """The workers to be asked now for what they do not need, since others wait and there is nothing left."""
        if self.left != 0 or not any(request.waiting for request in self._requests.values()):
            return []
        asked = []
        for (worker, _), holding in self._holdings.items():
            if not holding.lost and holding.out.total and now_s - holding.recalled_s >= RECALL_S:
                holding.recalled_s = now_s
                asked.append(worker)
        return asked

    def ends(self) -> list[str]:
        """The workers to be told now that all rows are used: those with users that wait, when nobody has anything left.

        They may ask again; a lost worker that comes back may have given back some of its rows.
        """
        if self.left != 0 or self.out:
            return []
        waiting = [holder for holder, request in self._requests.items() if request.waiting]
        for holder in waiting:
            del self._requests[holder]
        return [worker for worker, _ in waiting]
