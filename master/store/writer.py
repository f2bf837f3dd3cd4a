"""run.db while a run is on: what is measured goes in, and what is in it can be read back."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from master.store.file import open_existing, unreadable
from master.store.measured_writer import MAX_INTEGER, MeasuredWriter
from master.store.rows import ERROR_SPAN_S, ErrorRow, Event, ExceptionRow, NodeRow, SecondRow, TargetRow
from master.store.schema import SCHEMA, VERSION
from worker.load.in_flight import Endpoint
from worker.wire.messages import Facts

MAX_ERRORS = 1000
"""Different errors kept; further ones count under one name."""
MAX_ERROR_KINDS = 100
"""Kinds of errors that are kept apart over time; further ones count as FURTHER_KINDS."""
FURTHER_KINDS = f"further kinds (only {MAX_ERROR_KINDS} are kept apart over time)"
MAX_EVENTS = 10_000
"""Events kept; further ones are counted."""
FURTHER_EVENTS = "further events"
FOLD_TRIES, FOLD_AGAIN_S = 5, 0.05
"""How often, and how long apart, closing retries to get run.db for itself while others read it."""


class Store(MeasuredWriter):
    """One run.db, to write while the run is on and to read at any time."""

    def __init__(self, path: Path, *, create: bool = False, reserved: Iterable[Endpoint] = ()) -> None:
        """Open an existing file, or create a new one. Endpoints to be `reserved` have a place however many others there are.

        Raises InputError when the file is no run.db of this version, sqlite3.Error when one can't be made.
        """
        super().__init__(sqlite3.connect(path) if create else open_existing(path, "rw"), reserved)
        self._errors: set[tuple[str, str, str]] = set()
        self._error_kinds: dict[str, int] = {}
        self._error_counts: Counter[tuple[int, int]] = Counter()
        """What is not in run.db yet, by start of the span and kind: many workers report the same error in one second."""
        self._exceptions: set[tuple[str, ...]] = set()
        self._events = 0
        self._further_event: Event | None = None
        if create:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")
        # A power cut may cost the last seconds, never the file; a commit then needs no fsync.
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            self._load_known()
        except sqlite3.Error as error:
            self._db.close()
            raise unreadable(path, error) from None

    def _load_known(self) -> None:
        self._nodes.update(self._db.execute("SELECT name, id FROM nodes"))
        self._endpoints.update({(m, n): i for m, n, i in self._db.execute("SELECT method, name, id FROM endpoints")})
        self._errors.update(self._db.execute("SELECT method, name, error FROM errors"))
        self._error_kinds.update(self._db.execute("SELECT error, id FROM error_kinds"))
        self._exceptions.update(self._db.execute("SELECT user_class, type, message, place, line FROM exceptions"))
        (kept,) = self._db.execute("SELECT count(*) FROM events WHERE kind != ?", (FURTHER_EVENTS,)).fetchone()
        further = self.meta(FURTHER_EVENTS)
        self._events = kept + (further if isinstance(further, int) else 0)
        self._load_thinned()

    def close(self) -> None:
        """Commit and close. What stays is one file, once nobody else has it open either.

        Where the disk is full, what was committed before stays, and the log beside it.
        """
        with contextlib.suppress(sqlite3.Error):
            self._commit()
        # Folding the log back in takes the file for oneself, which SQLite does not wait for. Who looks once a second has the
        # file for some milliseconds; while others read or write it for longer, theirs is the turn.
        self._db.execute("PRAGMA busy_timeout = 0")
        for _ in range(FOLD_TRIES):
            try:
                self._db.execute("PRAGMA journal_mode = DELETE")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
                time.sleep(FOLD_AGAIN_S)
            except sqlite3.DatabaseError:  # somebody has overwritten it
                break
        self._db.close()

    def commit(self) -> None:
        """Make everything written so far visible to other readers."""
        self._commit()
        # Nobody else comes between: to wait for another program's write would be to stop listening to the fleet. Reading is
        # not hindered.
        self._db.execute("BEGIN IMMEDIATE")

    def truncate_wal(self) -> None:
        """Commit, and merge SQLite's log into run.db, so that it takes no more room than it must."""
        self._commit()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._db.execute("BEGIN IMMEDIATE")

    def _commit(self) -> None:
        if self._further_event is not None:
            self._put_further_events(self._further_event)
            self._further_event = None
        self._put_error_counts()
        self._db.commit()

    def put_node(self, name: str, facts: Facts) -> None:
        """Keep the facts that a node reports."""
        self._db.execute(
            "UPDATE nodes SET simulated = ?, facts = ? WHERE id = ?",
            (facts.simulated, msgspec.json.encode(facts).decode(), self._node(name)),
        )

    def put_second(self, row: SecondRow) -> None:
        """Keep the state of the run in one second."""
        row = row._replace(users=min(row.users, MAX_INTEGER))
        self._db.execute("INSERT OR REPLACE INTO seconds VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def put_target(self, row: TargetRow) -> None:
        """Keep what the target's process used in one second."""
        self._db.execute("INSERT OR REPLACE INTO target VALUES (?, ?, ?)", row)

    def put_controller_memory(self, second: int, memory_bytes: int) -> None:
        """Keep what the controller's own process uses in one second."""
        self._db.execute("INSERT OR REPLACE INTO controller VALUES (?, ?)", (second, memory_bytes))

    def put_node_rows(self, rows: Iterable[NodeRow]) -> None:
        """Keep the latest state of nodes."""
        self._db.executemany(
            "UPDATE nodes SET state = ?, wall_offset_s = ?, capacity = ? WHERE id = ?",
            ((*row[1:], self._node(row.name)) for row in rows),
        )

    def put_reports(self, accepted: Mapping[str, tuple[int, int]]) -> None:
        """Keep the last acknowledged report of each worker, by incarnation and number."""
        self._db.executemany(
            "INSERT OR REPLACE INTO reports VALUES (?, ?, ?)",
            ((worker, incarnation, number) for worker, (incarnation, number) in accepted.items()),
        )

    def put_row_lease(self, name: str, worker: str, incarnation: int, holding: str | None) -> None:
        """Keep what a worker holds of a table of data rows; None for nothing."""
        if holding is None:
            self._db.execute(
                "DELETE FROM row_leases WHERE (name, worker, incarnation) = (?, ?, ?)", (name, worker, incarnation)
            )
        else:
            self._db.execute(
                "INSERT OR REPLACE INTO row_leases VALUES (?, ?, ?, ?)", (name, worker, incarnation, holding)
            )

    def add_event(self, event: Event) -> None:
        """Keep that something happened; beyond MAX_EVENTS only how often."""
        self._events += 1
        if self._events <= MAX_EVENTS:
            self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", event)
        else:
            self._further_event = event

    def _put_further_events(self, latest: Event) -> None:
        further = self._events - MAX_EVENTS
        more = f"{further}, the latest of which: {latest.kind} {latest.node or ''} {latest.detail}"
        self.put_meta(FURTHER_EVENTS, further)  # from which a controller that resumes the run counts on
        self._db.execute("DELETE FROM events WHERE kind = ?", (FURTHER_EVENTS,))
        self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (latest.offset_s, FURTHER_EVENTS, None, more))

    def add_error(self, row: ErrorRow) -> None:
        """Count errors, in all and in the span of time that `first_s` is in.

        Beyond MAX_ERRORS different ones they share one row, beyond MAX_ERROR_KINDS different texts one line over time.
        """
        self._count_over_time(int(row.first_s), row.error, row.occurrences)
        key = (row.method, row.name, row.error)
        if key not in self._errors:
            if len(self._errors) >= MAX_ERRORS:
                row = ErrorRow("", "", f"further errors (only {MAX_ERRORS} different ones are kept)", *row[3:])
            else:
                self._errors.add(key)
        self._db.execute(
            "INSERT INTO errors VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count, first_s = min(first_s, excluded.first_s)",
            row,
        )

    def _count_over_time(self, second: int, error: str, occurrences: int) -> None:
        kind = self._error_kinds.get(error)
        if kind is None and len(self._error_kinds) >= MAX_ERROR_KINDS:
            error = FURTHER_KINDS
            kind = self._error_kinds.get(error)
        if kind is None:
            (kind,) = self._db.execute("INSERT INTO error_kinds (error) VALUES (?) RETURNING id", (error,)).fetchone()
            self._error_kinds[error] = kind
        self._error_counts[second - second % ERROR_SPAN_S, kind] += occurrences

    def _put_error_counts(self) -> None:
        self._db.executemany(
            "INSERT INTO error_counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            ((*key, count) for key, count in self._error_counts.items()),
        )
        self._error_counts.clear()

    def add_exception(self, row: ExceptionRow) -> None:
        """Count exceptions in users' code; beyond MAX_ERRORS different ones they share one row."""
        key = row[:5]
        if key not in self._exceptions:
            if len(self._exceptions) >= MAX_ERRORS:
                row = ExceptionRow(
                    "", "further exceptions", f"only {MAX_ERRORS} different ones are kept", "", "", *row[5:]
                )
            else:
                self._exceptions.add(key)
        self._db.execute(
            "INSERT INTO exceptions VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count, first_s = min(first_s, excluded.first_s)",
            row,
        )
