"""Hands out the rows of a run's tables to its workers, in step with what is stored; pure but for the files and run.db."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from master.data.lease_book import Grant, LeaseBook, StoredBook, StoredHolding
from master.data.table_file import FileChangedError, TableFile
from master.errors import InputError
from master.fleet.refusals import Refusals
from master.formatting import counted
from master.judge.result import DataResult
from master.judge.seconds.stopped_users import STOPPED_USERS_KEY, StoppedUsers
from master.scenario.model import DataSource, Scenario
from master.scenario.schema.base import MAX_USERS
from master.store import Store
from worker.wire.messages import node_of
from worker.wire.rows import MAX_CONTENT_BYTES, AtEnd, RowsLease, RowsRequest, RowsUsed, Use

DATA_KEY = "data"
"""The key in run.db's meta table for where the tables stand."""
MAX_TICK_BYTES = 16 << 20
"""The most bytes of rows that are sent to the whole fleet between two ticks, so that the controller has time for all else."""
MAX_WORKER_BYTES = 1 << 20
"""Likewise to one worker, of rows that it may ask for as often as it likes."""
MAX_SPANS = 200_000
"""The most spans that a table's leases may fall into; a fleet that works as it should has a few for each worker."""
WITHOUT_USERS_TICKS = 8
"""After so many ticks without a user, where some were stopped for want of rows, the run ends: workers report every 2 to 4 s."""
MAX_TAKEN_PER_S = 100_000
"""More rows than a worker's users can take: taking one, and nothing else, needs about 20 µs."""
SPARE_S = 60.0
"""Added to how long the run takes by this controller's clock: what a worker reports may be older."""
UNTRUE = "figures of data rows that can't be true"
UNKNOWN_TABLE = "data rows of an unknown table"
UNKNOWN_ROW = "a data row that there is not"
TOO_MUCH = "data rows faster than they are sent"


class StoredTable(msgspec.Struct):
    """Where a table stands, as it is stored."""

    sha256: str
    book: StoredBook
    taken: int = 0
    waits: int = 0
    longest_wait_ms: float = 0.0
    timeouts: int = 0
    stopped: dict[str, int] = {}
    closed: int = 0
    """Users of the classes that were stopped as a whole."""
    closed_classes: list[str] = []
    ended_s: float | None = None

    @property
    def stopped_users(self) -> int:
        """Users that were stopped, each by itself or with its class."""
        return max(self.closed, sum(self.stopped.values()))


@dataclass
class Ends:
    """What the end of a table's rows does to the run."""

    end_run: Callable[[], None] = lambda: None
    """Ends it in order: it is judged on what was steady."""
    end_class: Callable[[str], int] = lambda _name: 0
    """Stops all users of a class; how many that are."""
    fail: Callable[[str], None] = lambda _reason: None
    """Ends it for this reason: its data can't be read any more."""


@dataclass
class _Table:
    source: DataSource
    file: TableFile
    book: LeaseBook
    figures: StoredTable
    waiting: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """Users that wait at each worker, by class, as it said last."""
    wholes: dict[str, None] = field(default_factory=dict)
    """Workers that want all of it."""

    @property
    def row_bytes(self) -> float:
        return 0.0 if self.file.whole else self.file.content_bytes / self.file.rows


class RowsHandout:
    """The tables of one run."""

    def __init__(
        self,
        scenario: Scenario,
        files: Mapping[str, TableFile],
        store: Store,
        refusals: Refusals,
        event: Callable[[str, str | None, str], None],
    ) -> None:
        """Go on where `store` says that another controller stood. `event` is called with kind, node and detail.

        Raises InputError where a file is not the one that the run began with.
        """
        self.send: Callable[[str, str, Any], None] = lambda _worker, _kind, _data: None
        """Sends a message to a worker, by its kind."""
        self.ends = Ends()
        self._user_classes = frozenset(scenario.users)
        self._most_users = scenario.max_users if scenario.shape is None else MAX_USERS
        self._store = store
        self._refusals = refusals
        self._event = event
        kept = msgspec.convert(store.meta(DATA_KEY) or {}, dict[str, StoredTable])
        self._tables = {
            name: _open_table(source, files[name], kept.get(name), store.row_leases(name) if name in kept else ())
            for name, source in scenario.data.items()
        }
        self._granted: list[tuple[str, Grant]] = []
        self._recalls: list[tuple[str, str]] = []
        self._ended: list[tuple[str, str]] = []
        self._sent: Counter[str] = Counter()
        self._sent_total = 0
        self._changed = bool(self._tables)
        self._with_users = False
        """Whether users have run under this controller."""
        self._without_users = 0
        self._stopped = StoppedUsers.unpack(store.meta(STOPPED_USERS_KEY))

    def set_ends(self, ends: Ends) -> None:
        """What the end of rows does; classes that were stopped under another controller are not started again."""
        self.ends = ends
        for table in self._tables.values():
            for user_class in table.figures.closed_classes:
                ends.end_class(user_class)

    # Who is there

    def join(self, worker: str, incarnation: int) -> None:
        """A worker has joined."""
        for table in self._tables.values():
            table.book.join(worker, incarnation)

    def note_users(self, worker: str) -> None:
        """A worker is ordered to run users."""
        for table in self._tables.values():
            table.book.note_users(worker)

    def lose(self, worker: str) -> None:
        """A worker has left or was lost."""
        for table in self._tables.values():
            table.book.lose(worker)
            table.waiting.pop(worker, None)
            table.wholes.pop(worker, None)

    def end(self, worker: str) -> None:
        """The process of a worker has ended."""
        for table in self._tables.values():
            table.book.end(worker)

    # What workers say

    def request(self, worker: str, request: RowsRequest) -> None:
        """A worker wants rows."""
        table = self._tables.get(request.table)
        if table is None:
            self._refusals.note(node_of(worker), UNKNOWN_TABLE)
            return
        if request.whole and table.file.whole:
            table.wholes[worker] = None
        if table.source.use is Use.RANDOM:
            if request.draws and not table.file.whole:
                self._send_drawn(worker, table, request)
            return
        table.waiting[worker] = request.waiting
        waiting = sum(request.waiting.values())
        fault = table.book.request(worker, request.incarnation, request.received, request.wanted, waiting)
        if fault is not None:
            self._refusals.note(node_of(worker), fault)

    def _send_drawn(self, worker: str, table: _Table, request: RowsRequest) -> None:
        """Send rows that a worker has drawn at random. It asks again for those that are not sent."""
        if max(request.draws) >= table.file.rows:
            self._refusals.note(node_of(worker), UNKNOWN_ROW)
            return
        if self._sent[worker] > MAX_WORKER_BYTES or self._sent_total > MAX_TICK_BYTES:
            return
        content, count = b"", 0
        try:
            for row in request.draws:
                one = table.file.read([(row, row + 1)])
                if content and len(content) + len(one) > MAX_CONTENT_BYTES:
                    break
                content, count = content + one, count + 1
        except (FileChangedError, OSError) as error:
            self._fail(error)
            return
        self._send_lease(
            worker, RowsLease(request.table, request.received, [(request.received, request.received + count)], content)
        )

    def report(self, worker: str, incarnation: int, rows: Iterable[RowsUsed], offset_s: float) -> None:
        """A worker has reported what it did with rows. What it can't have had is refused."""
        for said in rows:
            table = self._tables.get(said.table)
            if table is None:
                self._refusals.note(node_of(worker), UNKNOWN_TABLE)
                continue
            fault = table.book.report(worker, incarnation, said.used, said.returned)
            if fault is not None:
                self._refusals.note(node_of(worker), fault)
            figures = table.figures
            if not self._credible(said, offset_s):
                self._refusals.note(node_of(worker), UNTRUE)
                continue
            figures.taken += said.taken
            figures.waits += said.waits
            figures.longest_wait_ms = max(figures.longest_wait_ms, said.longest_wait_ms)
            figures.timeouts += said.timeouts
            figures.stopped = _add_known(figures.stopped, said.stopped, self._user_classes)
            if said.stopped:
                self._note_end(said.table, table, offset_s)
            self._stopped.note(int(offset_s), self.stopped)
            self._changed = True

    def _credible(self, said: RowsUsed, offset_s: float) -> bool:
        """Whether these may be figures of a worker's users in a run that has taken so long."""
        most = MAX_TAKEN_PER_S * (offset_s + SPARE_S)
        return (
            max(said.taken, said.waits, said.timeouts) <= most
            and sum(said.stopped.values()) <= self._most_users
            and said.longest_wait_ms <= 1000 * (offset_s + SPARE_S)
        )

    # Once a second

    def work_out(self, now_s: float) -> None:
        """Work out what to send now; it counts as leased."""
        left = float(MAX_TICK_BYTES)
        for name, table in self._tables.items():
            if table.book.spans > MAX_SPANS:
                continue  # what is given back makes it less
            for grant in table.book.grants(now_s):
                self._granted.append((name, grant))
                left -= 200 + table.row_bytes * sum(end - first for first, end in grant.spans)
                if left < 0:
                    break
            self._recalls += [(name, worker) for worker in table.book.recalls(now_s)]
            self._ended += [(name, worker) for worker in table.book.ends()]

    def note_running(self, users: int, planned: int) -> None:
        """So many users run, as far as workers have said. When none is left, since there are no rows, the run ends in order."""
        self._with_users |= users > 0
        if users or not planned or not self.stopped or not self._with_users:
            self._without_users = 0
            return
        self._without_users += 1
        if self._without_users == WITHOUT_USERS_TICKS:
            self._event("data ended", None, "no user is left: the run ends")
            self.ends.end_run()

    def store(self) -> None:
        """Write where the tables stand; the caller commits."""
        for name, table in self._tables.items():
            for worker, incarnation in table.book.dirty:
                holding = table.book.holding((worker, incarnation))
                stored = None if holding is None else msgspec.json.encode(holding).decode()
                self._store.put_row_lease(name, worker, incarnation, stored)
                self._changed = True
            table.book.dirty.clear()
            table.figures.book = table.book.state()
        if self._changed:
            self._changed = False
            kept = {name: msgspec.to_builtins(table.figures) for name, table in self._tables.items()}
            self._store.put_meta(DATA_KEY, kept)
            self._store.put_meta(STOPPED_USERS_KEY, self._stopped.pack())

    def send_granted(self, offset_s: float) -> None:
        """Send what was worked out, now that it is stored."""
        self._sent.clear()
        self._sent_total = 0
        granted, self._granted = self._granted, []
        try:
            for name, grant in granted:
                file = self._tables[name].file
                content = b"" if file.whole else file.read(grant.spans)
                self._send_lease(grant.worker, RowsLease(name, grant.number, grant.spans, content))
            self._send_wholes()
        except (FileChangedError, OSError) as error:
            self._fail(error)
            return
        for name, worker in self._recalls:
            self.send(worker, "rows_recall", name)
        for name, worker in self._ended:
            self._tell_end(name, worker, offset_s)
        self._recalls, self._ended = [], []

    def _send_wholes(self) -> None:
        for name, table in self._tables.items():
            content = table.file.read([(0, table.file.rows)]) if table.wholes else b""
            for worker in list(table.wholes):
                if self._sent_total > MAX_TICK_BYTES:
                    return
                del table.wholes[worker]
                self._send_lease(worker, RowsLease(name, 0, [], content))

    def _send_lease(self, worker: str, lease: RowsLease) -> None:
        self._sent[worker] += len(lease.content)
        self._sent_total += len(lease.content)
        self.send(worker, "rows", lease)

    def _tell_end(self, name: str, worker: str, offset_s: float) -> None:
        table = self._tables[name]
        self._note_end(name, table, offset_s)
        self.send(worker, "rows", RowsLease(name, 0, [], ended=True))
        if table.source.at_end is AtEnd.STOP_RUN:
            self.ends.end_run()
        elif table.source.at_end is AtEnd.STOP_CLASS:
            classes = self._user_classes & table.waiting.pop(worker, {}).keys() - {*table.figures.closed_classes}
            for user_class in sorted(classes):
                table.figures.closed_classes = [*table.figures.closed_classes, user_class]
                stopped = self.ends.end_class(user_class)
                table.figures.closed += stopped
                self._stopped.note(int(offset_s), self.stopped)
                self._changed = True
                self._event("data ended", None, f"{name}: {stopped} user(s) of {user_class} are stopped")

    def _note_end(self, name: str, table: _Table, offset_s: float) -> None:
        if table.figures.ended_s is not None:
            return
        table.figures.ended_s = round(offset_s, 3)
        self._changed = True
        unsure = table.book.unsure
        lost = f", {unsure} of them perhaps: workers that were lost held them" if unsure else ""
        then = {
            AtEnd.STOP_USER: "users that get none are stopped",
            AtEnd.STOP_CLASS: "the classes of users that get none are stopped",
            AtEnd.STOP_RUN: "the run ends",
        }[table.source.at_end]
        self._event("data ended", None, f"{name}: {_all(table.file.rows)} used{lost}; {then}")

    def _fail(self, error: FileChangedError | OSError) -> None:
        reason = str(error) if isinstance(error, FileChangedError) else f"data can't be read: {error.strerror}"
        self.ends.fail(reason)

    # What became of it

    @property
    def stopped(self) -> int:
        """Users that were stopped since there were no rows for them."""
        return sum(table.figures.stopped_users for table in self._tables.values())

    def results(self) -> list[DataResult]:
        """What became of each table's rows. At the end of a run what no worker told of is unsure."""
        return [_result(name, table) for name, table in self._tables.items()]


def _open_table(source: DataSource, file: TableFile, kept: StoredTable | None, holdings: Sequence[str]) -> _Table:
    endless = source.use is Use.CYCLE
    fit = _all_fit if file.whole else file.fit
    if kept is None:
        book = LeaseBook(file.rows, endless=endless, fit=fit, max_bytes=MAX_CONTENT_BYTES)
        return _Table(source, file, book, StoredTable(file.sha256, StoredBook()))
    if kept.sha256 != file.sha256:
        raise InputError(
            "is not as it was when the run began, and its rows are numbered by that", file=file.path, hint="Restore it."
        )
    book = LeaseBook.restored(
        file.rows,
        kept.book,
        [msgspec.json.decode(holding, type=StoredHolding) for holding in holdings],
        endless=endless,
        fit=fit,
        max_bytes=MAX_CONTENT_BYTES,
    )
    return _Table(source, file, book, kept)


def _all_fit(_first: int, end: int, _max_bytes: int) -> tuple[int, int]:
    return end, 0


def _all(rows: int) -> str:
    return "its one row is" if rows == 1 else f"all {counted(rows, 'row')} are"


def _add_known(before: Mapping[str, int], more: Mapping[str, int], known: frozenset[str]) -> dict[str, int]:
    together = Counter(before)
    together.update({name: count for name, count in more.items() if name in known})
    return dict(together)


def _result(name: str, table: _Table) -> DataResult:
    kept, unique = table.figures, table.source.use is Use.UNIQUE
    return DataResult(
        name=name,
        use=str(table.source.use),
        at_end=str(table.source.at_end) if unique else None,
        rows=table.file.rows,
        taken=kept.taken,
        used=table.book.used if unique else None,
        unsure=table.book.unsure + table.book.out if unique else None,
        waits=kept.waits,
        longest_wait_ms=round(kept.longest_wait_ms, 1),
        timeouts=kept.timeouts,
        stopped_users=kept.stopped_users,
        ended_s=kept.ended_s,
    )
