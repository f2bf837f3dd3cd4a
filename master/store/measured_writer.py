"""What is measured, written to run.db; and what of it is older, put in the smaller form that it is kept in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from operator import attrgetter, itemgetter
from typing import Any, Literal

import msgspec
from msgspec import structs

from master.store.packed_reader import FIRST_S
from master.store.reader import ARRIVAL_COLUMNS, TALLY_COLUMNS, StoreReader, decode_tally
from master.store.rows import FitnessRow
from master.store.thinned.parts import THINNED_KEY, Kind, MinuteDone, NodePart, Part, RequestPart, Thinned
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram
from worker.load.in_flight import Endpoint
from worker.wire.messages import Reading

MAX_ENDPOINTS = 1000
"""Endpoints kept; requests to further ones count for one, OTHER."""
OTHER: Endpoint = ("", f"further endpoints (only {MAX_ENDPOINTS} are kept)")
MAX_INTEGER = (1 << 63) - 1
"""SQLite has no larger integers; only a peer that lies gets there."""
DROPPED_AT_ONCE = 3
"""Seconds of each table that `drop_thinned` deletes in one go, so that the fleet does not wait for it."""


class MeasuredWriter(StoreReader):
    """The part of Store that has to do with what is measured, and grows with the length of the run."""

    def __init__(self, database: sqlite3.Connection, reserved: Iterable[Endpoint]) -> None:
        """Write to an open connection. Endpoints to be `reserved` have a place however many others there are."""
        super().__init__(database)
        self._nodes: dict[str, int] = {}
        self._endpoints: dict[Endpoint, int] = {}
        self._reserved = frozenset(reserved)
        self._thinned: Thinned | None = None
        """As in run.db; None where nothing is thinned."""
        self._undisturbed_before: int | None = None
        """Nothing earlier than this second was written since `begin_thinning`; None: something was."""
        self._dropped_before: dict[str, int] = {}
        """By table, before which second no rows are left."""

    def _load_thinned(self) -> None:
        self._thinned = None if self.meta(THINNED_KEY) is None else self.thinned()

    def counted_as(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint that requests to `endpoint` count for: itself, or OTHER when there are MAX_ENDPOINTS already.

        Those of `reserved` are always themselves.
        """
        if endpoint in self._endpoints:
            return endpoint
        if len(self._endpoints) >= MAX_ENDPOINTS and endpoint not in self._reserved:
            endpoint = OTHER
        if endpoint not in self._endpoints:
            row = self._db.execute(
                "INSERT INTO endpoints (method, name) VALUES (?, ?) RETURNING id", endpoint
            ).fetchone()
            self._endpoints[endpoint] = row[0]
        return endpoint

    def add_requests(self, second: int, endpoint: Endpoint, tally: EndpointStats, *, fit: bool) -> None:
        """Add a tally to its second, or to the span that it is in once it is thinned; what is there already is merged with it."""
        number = self._endpoints[self.counted_as(endpoint)]
        table, span = self._place_of(second, "request")
        if span:
            assert self._thinned is not None
            late = min(self._thinned.late_requests + tally.total, MAX_INTEGER)
            self._note_thinned(structs.replace(self._thinned, late_requests=late))
        key = (span[0] if span else second, number, fit)
        row = self._db.execute(
            f"SELECT {TALLY_COLUMNS} FROM {table} WHERE (second, endpoint, fit) = (?, ?, ?)",  # noqa: S608  # a constant
            key,
        ).fetchone()
        if row is not None:
            before = decode_tally(row)
            before.merge(tally)
            tally = before
        marks = ", ".join("?" * (12 + len(span[1:])))
        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*key, *span[1:], *tally_values(tally)))  # noqa: S608

    def _place_of(self, second: int, kind: Literal["request", "arrival"]) -> tuple[str, tuple[int, ...]]:
        """The table that a second belongs in, and the span there as its first second and length; no span: it is kept by itself."""
        self._disturb(second)
        if self._thinned is None or second >= self._thinned.requests_before:
            return f"{kind}s", ()
        # Whatever has traffic in a minute has a span of the same extent: where that is not in this table, it is in the other.
        for table in ("request_spans", "arrival_spans"):
            row = self._db.execute(
                f"SELECT second, span_s FROM {table} WHERE second <= ? ORDER BY second DESC LIMIT 1",  # noqa: S608  # a constant
                (second,),
            ).fetchone()
            if row is not None and second < row[0] + row[1]:
                return f"{kind}_spans", (row[0], row[1])
        return f"{kind}_spans", (second, 1)

    def add_arrivals(self, second: int, user_class: str, tally: ArrivalTally, *, fit: bool) -> None:
        """Add arrivals of one user class to the second in which they were due, or to the span that it is in once it is thinned.

        What is there already is merged with them. `fit` is whether their worker was fit in that second.
        """
        table, span = self._place_of(second, "arrival")
        key = (span[0] if span else second, user_class, fit)
        row = self._db.execute(
            f"SELECT {ARRIVAL_COLUMNS} FROM {table} WHERE (second, user_class, fit) = (?, ?, ?)",  # noqa: S608  # a constant
            key,
        ).fetchone()
        if row is not None:
            started, missed, late, given_up, lateness = row
            before = ArrivalTally(started, missed, late, given_up, Histogram.decode(lateness))
            before.merge(tally)
            tally = before
        marks = ", ".join("?" * (8 + len(span[1:])))
        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*key, *span[1:], *arrival_values(tally)))  # noqa: S608

    def add_waiting(self, second: int, endpoint: Endpoint, requests: int, ages: Histogram) -> None:
        """Add requests that were waiting for an answer at the end of a second; what is there already is merged with it."""
        self._disturb(second)
        key = (second, self._endpoints[self.counted_as(endpoint)])
        row = self._db.execute("SELECT requests, ages FROM waiting WHERE (second, endpoint) = (?, ?)", key).fetchone()
        together = Histogram()
        together.merge(ages)
        if row is not None:
            requests += row[0]
            together.merge(Histogram.decode(row[1]))
        self._db.execute(
            "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?)", (*key, min(requests, MAX_INTEGER), together.encode())
        )

    def put_samples(self, samples: Iterable[tuple[str, int, Reading]]) -> None:
        """Keep readings, each with its node and second; of two in one second the later stays."""
        numbers, number_of = self._nodes, self._node
        # A reading has its fields in the order of the table's columns.
        rows = [
            (second, numbers.get(node) or number_of(node), *structs.astuple(reading))
            for node, second, reading in samples
        ]
        self._put_rows("samples", rows)

    def put_fitness(self, rows: Iterable[FitnessRow]) -> None:
        """Keep how fit nodes were."""
        numbers, number_of = self._nodes, self._node
        self._put_rows(
            "fitness", [(row[1], numbers.get(row[0]) or number_of(row[0]), *_FITNESS_VALUES(row)) for row in rows]
        )

    def _put_rows(self, kind: Kind, rows: list[tuple[Any, ...]]) -> None:
        """Write rows of either table, whose first column is the second; what is older than what is packed goes to a table of its own."""
        if not rows:
            return
        if self._thinned is not None or self._undisturbed_before is not None:
            self._disturb(min(rows, key=itemgetter(0))[0])
            before = self._before(kind)
            if any(row[0] < before for row in rows):
                self._insert(f"late_{kind}", [row for row in rows if row[0] < before])
                rows = [row for row in rows if row[0] >= before]
        self._insert(kind, rows)

    def _before(self, kind: Kind) -> int:
        if self._thinned is None:
            return FIRST_S
        return self._thinned.fitness_before if kind == "fitness" else self._thinned.samples_before

    def _insert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        query = f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(rows[0]))})"  # noqa: S608  # one of four
        try:
            self._db.executemany(query, rows)
        except OverflowError:  # only a peer that lies has such numbers, so that nobody else pays for looking
            self._db.executemany(query, [[_bounded(value) for value in row] for row in rows])

    # Thinning

    def begin_thinning(self, before_s: int) -> None:
        """Somebody works out what seconds before `before_s` come to, by what is committed now: see `put_thinned`."""
        self._undisturbed_before = before_s
        kinds: tuple[Kind, ...] = ("fitness", "samples")
        for kind in kinds:  # what another controller has left unfinished
            before = max(0, self._before(kind))
            self._db.execute(f"DELETE FROM {_PACKS[kind]} WHERE second >= ?", (before,))  # noqa: S608  # one of two

    def put_thinned(self, part: Part) -> bool:
        """Put a part of what was worked out since `begin_thinning` in place of the rows that it is of; whether that was done.

        Not where a row of one of those seconds was written meanwhile: it is to be worked out anew.
        """
        if self._undisturbed_before is None:
            return False
        thinned = self._thinned or Thinned()
        match part:
            case NodePart():
                self._db.execute(
                    f"INSERT INTO {_PACKS[part.kind]} VALUES (?, ?, ?, ?)",  # noqa: S608  # one of two
                    (part.second, part.part, part.end_s - part.second, part.pack),
                )
            case RequestPart():
                self._put_spans(part)
                self._note_thinned(structs.replace(thinned, requests_before=part.end_s, windows=part.windows))
            case MinuteDone():
                self._db.executemany(
                    "INSERT OR REPLACE INTO node_totals VALUES (?, ?, ?)",
                    [(node, part.kind, data) for node, data in part.totals],
                )
                self._db.executemany(
                    "INSERT OR REPLACE INTO worker_seconds VALUES (?, ?, ?, ?, ?, ?)", part.worker_seconds
                )
                name = "fitness_before" if part.kind == "fitness" else "samples_before"
                self._note_thinned(structs.replace(thinned, **{name: part.before}))
        return True

    def drop_thinned(self, windows_s: int) -> None:
        """Delete a few of the rows that are thinned; those of requests not before they are older than the longest window of a threshold."""
        if self._thinned is None:
            return
        requests_before = self._thinned.requests_before - windows_s
        for table, before in (
            ("requests", requests_before),
            ("arrivals", requests_before),
            ("fitness", self._thinned.fitness_before),
            ("samples", self._thinned.samples_before),
        ):
            dropped = self._dropped_before.get(table)
            if dropped is None:
                first = self._db.execute(f"SELECT min(second) FROM {table}").fetchone()[0]  # noqa: S608  # a constant
                dropped = before if first is None else first
            if dropped < before:
                dropped = min(before, dropped + DROPPED_AT_ONCE)
                self._db.execute(f"DELETE FROM {table} WHERE second < ?", (dropped,))  # noqa: S608  # a constant
            self._dropped_before[table] = dropped

    def _put_spans(self, part: RequestPart) -> None:
        for table, rows in (
            ("request_spans", part.requests),
            ("arrival_spans", part.arrivals),
            ("waiting", part.waiting),
        ):
            self._db.execute(f"DELETE FROM {table} WHERE second >= ? AND second < ?", (part.second, part.end_s))  # noqa: S608
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self._db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608  # constants

    def _note_thinned(self, thinned: Thinned) -> None:
        self._thinned = thinned
        self.put_meta(THINNED_KEY, msgspec.to_builtins(thinned))

    def _disturb(self, second: int) -> None:
        if self._undisturbed_before is not None and second < self._undisturbed_before:
            self._undisturbed_before = None

    def put_meta(self, key: str, value: object) -> None:
        """Keep one fact about the run, as JSON."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def _node(self, name: str) -> int:
        number = self._nodes.get(name)
        if number is None:
            number = self._db.execute("INSERT INTO nodes (name) VALUES (?) RETURNING id", (name,)).fetchone()[0]
            self._nodes[name] = number
        return number


_PACKS: dict[Kind, str] = {"fitness": "fitness_packs", "samples": "sample_packs"}
_FITNESS_VALUES = attrgetter(
    "worker",
    "lag_max_ms",
    "worker_cpu_percent",
    "requests",
    "users",
    "unfit",
    "lag",
    "userspace_timed",
    "in_flight",
    "local_errors",
    "exceptions",
)


def tally_values(tally: EndpointStats) -> list[Any]:
    """The values of TALLY_COLUMNS."""
    values = [
        tally.total,
        tally.failed,
        tally.received_bytes,
        tally.histogram.encode(),
        tally.userspace_timed,
        tally.unanswered,
        tally.without_latency,
        None if tally.failures is None else tally.failures.encode(),
        None if tally.service is None or tally.service == tally.histogram else tally.service.encode(),
    ]
    return values if max(tally.total, tally.received_bytes) < MAX_INTEGER else [_bounded(value) for value in values]


def arrival_values(tally: ArrivalTally) -> list[Any]:
    """The values of ARRIVAL_COLUMNS."""
    counts = (tally.started, tally.missed, tally.late, tally.given_up)
    return [*map(_bounded, counts), tally.lateness.encode()]


def _bounded(value: Any) -> Any:
    return min(value, MAX_INTEGER) if isinstance(value, int) else value
