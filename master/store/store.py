"""One run.db, open to write while the run is on and to read at any time."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from master.rundb import VERSION, open_existing, unreadable
from master.scenario.rules import Endpoint
from master.store.rows import ErrorRow, Event, ExceptionRow, FitnessRow, NodeRow, SampleGroup, SecondRow, WorkersSecond
from master.store.schema import SCHEMA
from worker.load.histogram import EndpointStats, Histogram
from worker.wire.messages import Facts, Reading

CONTROLLER = "controller"
"""The name, among the nodes, of the controller's own machine."""
MAX_ERRORS = 1000
"""Different errors kept; further ones count under one name."""
MAX_ENDPOINTS = 1000
"""Endpoints kept apart; requests to further ones count for one, OTHER."""
OTHER: Endpoint = ("", f"further endpoints (only {MAX_ENDPOINTS} are kept apart)")
MAX_EVENTS = 10_000
"""Events kept; of further ones the number is."""
FURTHER_EVENTS = "further events"
FOLD_TRIES, FOLD_AGAIN_S = 5, 0.05
"""How often, and how long apart, a run.db that is closed asks those who read it for the file."""

_MOST = (1 << 63) - 1
"""SQLite has no larger integers; only a peer that lies gets there."""


_TALLY = "total, failed, received_bytes, histogram, own_clock, unanswered, untimed, failures"


class Store:
    """One run.db, to write while the run is on and to read at any time."""

    def __init__(self, path: Path, *, create: bool = False, kept_apart: Iterable[Endpoint] = ()) -> None:
        """Open an existing file, or create a new one. Endpoints to be `kept_apart` have a place however many others there are.

        Raises InputError when the file is no run.db of this version, sqlite3.Error when one can't be made.
        """
        self._db = sqlite3.connect(path) if create else open_existing(path, "rw")
        self._nodes: dict[str, int] = {}
        self._endpoints: dict[Endpoint, int] = {}
        self._kept_apart = frozenset(kept_apart)
        self._errors: set[tuple[str, str, str]] = set()
        self._exceptions: set[tuple[str, ...]] = set()
        self._events = 0
        self._further_event: Event | None = None
        if create:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")
        # A power cut may cost the last seconds, never the file; a commit then needs no fsync.
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            self._recall()
        except sqlite3.Error as error:
            self._db.close()
            raise unreadable(path, error) from None

    def _recall(self) -> None:
        self._nodes.update(self._db.execute("SELECT name, id FROM nodes"))
        self._endpoints.update({(m, n): i for m, n, i in self._db.execute("SELECT method, name, id FROM endpoints")})
        self._errors.update(self._db.execute("SELECT method, name, error FROM errors"))
        self._exceptions.update(self._db.execute("SELECT user_class, type, message, place, line FROM exceptions"))
        (self._events,) = self._db.execute("SELECT count(*) FROM events").fetchone()

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

    def fold(self) -> None:
        """Commit, and fold SQLite's log into run.db, so that it takes no more room than it must."""
        self._commit()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._db.execute("BEGIN IMMEDIATE")

    def _commit(self) -> None:
        if self._further_event is not None:
            self._put_further_events(self._further_event)
            self._further_event = None
        self._db.commit()

    # Writing

    def put_meta(self, key: str, value: object) -> None:
        """Keep one fact about the run, as JSON."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def put_node(self, name: str, facts: Facts) -> None:
        """Keep what a node says of itself."""
        self._db.execute(
            "UPDATE nodes SET simulated = ?, facts = ? WHERE id = ?",
            (facts.simulated, msgspec.json.encode(facts).decode(), self._node(name)),
        )

    def counted_as(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint that requests to `endpoint` count for: itself, or OTHER when there are MAX_ENDPOINTS already.

        Those to be kept apart are always themselves.
        """
        if endpoint in self._endpoints:
            return endpoint
        if len(self._endpoints) >= MAX_ENDPOINTS and endpoint not in self._kept_apart:
            endpoint = OTHER
        if endpoint not in self._endpoints:
            row = self._db.execute(
                "INSERT INTO endpoints (method, name) VALUES (?, ?) RETURNING id", endpoint
            ).fetchone()
            self._endpoints[endpoint] = row[0]
        return endpoint

    def add_requests(self, second: int, endpoint: Endpoint, tally: EndpointStats, *, fit: bool) -> None:
        """Add a tally to its second; what is there already is merged with it."""
        key = (second, self._endpoints[self.counted_as(endpoint)], fit)
        row = self._db.execute(
            f"SELECT {_TALLY} FROM requests WHERE (second, endpoint, fit) = (?, ?, ?)",  # noqa: S608  # a constant
            key,
        ).fetchone()
        if row is not None:
            before = _tally(row)
            before.merge(tally)
            tally = before
        self._db.execute(
            "INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *key,
                *(min(n, _MOST) for n in (tally.total, tally.failed, tally.received_bytes)),
                tally.histogram.encode(),
                *(min(n, _MOST) for n in (tally.own_clock, tally.unanswered, tally.untimed)),
                None if tally.failures is None else tally.failures.encode(),
            ),
        )

    def add_waiting(self, second: int, endpoint: Endpoint, requests: int, ages: Histogram) -> None:
        """Add requests that were waiting for an answer at the end of a second; what is there already is merged with it."""
        key = (second, self._endpoints[self.counted_as(endpoint)])
        row = self._db.execute("SELECT requests, ages FROM waiting WHERE (second, endpoint) = (?, ?)", key).fetchone()
        together = Histogram()
        together.merge(ages)
        if row is not None:
            requests += row[0]
            together.merge(Histogram.decode(row[1]))
        self._db.execute(
            "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?)", (*key, min(requests, _MOST), together.encode())
        )

    def put_second(self, row: SecondRow) -> None:
        """Keep the state of the run in one second."""
        row = row._replace(users=min(row.users, _MOST))
        self._db.execute("INSERT OR REPLACE INTO seconds VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def put_samples(self, samples: Iterable[tuple[str, int, Reading]]) -> None:
        """Keep readings, each with its node and second; of two in one second the later stays."""
        self._db.executemany(
            "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    second,
                    self._node(node),
                    reading.cpu_percent,
                    reading.memory_percent,
                    reading.memory_used_bytes,
                    reading.load_1min,
                    reading.temperature_c,
                    reading.frequency_hz,
                    reading.fan_rpm,
                    reading.fan_step,
                    reading.conditions,
                    reading.conditions_lately,
                    reading.conditions_since_start,
                    reading.network_received_bytes,
                    reading.network_sent_bytes,
                    reading.disk_read_bytes,
                    reading.disk_written_bytes,
                )
                for node, second, reading in samples
            ),
        )

    def put_fitness(self, rows: Iterable[FitnessRow]) -> None:
        """Keep how fit nodes were."""
        self._db.executemany(
            "INSERT OR REPLACE INTO fitness VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    row.second,
                    self._node(row.node),
                    row.worker,
                    row.lag_max_ms,
                    row.worker_cpu_percent,
                    min(row.requests, _MOST),
                    None if row.users is None else min(row.users, _MOST),
                    row.unfit,
                    row.lag,
                    *(min(n, _MOST) for n in (row.own_clock, row.in_flight, row.local_errors, row.exceptions)),
                )
                for row in rows
            ),
        )

    def put_node_rows(self, rows: Iterable[NodeRow]) -> None:
        """Keep how nodes are now."""
        self._db.executemany(
            "UPDATE nodes SET state = ?, wall_offset_s = ?, capacity = ? WHERE id = ?",
            ((*row[1:], self._node(row.name)) for row in rows),
        )

    def put_reports(self, taken: Mapping[str, tuple[int, int]]) -> None:
        """Keep which report of each worker, by life and number, was the last to be taken."""
        self._db.executemany(
            "INSERT OR REPLACE INTO reports VALUES (?, ?, ?)",
            ((worker, life, number) for worker, (life, number) in taken.items()),
        )

    def add_event(self, event: Event) -> None:
        """Keep that something happened; beyond MAX_EVENTS only how often."""
        self._events += 1
        if self._events <= MAX_EVENTS:
            self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", event)
        else:
            self._further_event = event

    def _put_further_events(self, latest: Event) -> None:
        more = f"{self._events - MAX_EVENTS}, the latest of which: {latest.kind} {latest.node or ''} {latest.detail}"
        self._db.execute("DELETE FROM events WHERE kind = ?", (FURTHER_EVENTS,))
        self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (latest.offset_s, FURTHER_EVENTS, None, more))

    def add_error(self, row: ErrorRow) -> None:
        """Count errors; beyond MAX_ERRORS different ones they share one row."""
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

    def _node(self, name: str) -> int:
        number = self._nodes.get(name)
        if number is None:
            number = self._db.execute("INSERT INTO nodes (name) VALUES (?) RETURNING id", (name,)).fetchone()[0]
            self._nodes[name] = number
        return number

    # Reading

    def meta(self, key: str) -> object:
        """One fact about the run; None when it was not kept."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def requests(self) -> Iterator[tuple[int, Endpoint, EndpointStats, bool]]:
        """Every second and endpoint in order of time: second, endpoint, tally, and whether its nodes were fit to measure it."""
        rows = self._db.execute(
            f"SELECT second, method, endpoints.name, fit, {_TALLY} FROM requests"  # noqa: S608  # a constant
            " JOIN endpoints ON endpoints.id = endpoint ORDER BY second"
        )
        for second, method, name, fit, *tally in rows:
            yield second, (method, name), _tally(tally), bool(fit)

    def waiting(self) -> Iterator[tuple[int, Endpoint, int, Histogram]]:
        """Requests that were waiting for an answer, in order of time: second, endpoint, how many, and their ages in ms at its end."""
        rows = self._db.execute(
            "SELECT second, method, endpoints.name, requests, ages FROM waiting"
            " JOIN endpoints ON endpoints.id = endpoint ORDER BY second"
        )
        for second, method, name, requests, ages in rows:
            yield second, (method, name), requests, Histogram.decode(ages)

    def workers_by_second(self) -> Iterator[WorkersSecond]:
        """What all workers together were, second by second."""
        rows = self._db.execute(
            "SELECT second, CASE WHEN count(users) = count(*) THEN sum(users) END, sum(in_flight), sum(local_errors),"
            " sum(exceptions) FROM fitness GROUP BY second ORDER BY second"
        )
        yield from (WorkersSecond(*row) for row in rows)

    def reports(self) -> dict[str, tuple[int, int]]:
        """The last report of each worker that was taken, as life and number."""
        return {worker: (life, number) for worker, life, number in self._db.execute("SELECT * FROM reports")}

    def seconds(self) -> list[SecondRow]:
        """The state of the run, second by second."""
        return [
            SecondRow(second, stage, bool(steady), *rest)
            for second, stage, steady, *rest in self._db.execute("SELECT * FROM seconds ORDER BY second")
        ]

    def nodes(self) -> dict[str, Facts | None]:
        """All nodes by name, with what they said of themselves."""
        return {
            name: msgspec.json.decode(facts, type=Facts) if facts else None
            for name, facts in self._db.execute("SELECT name, facts FROM nodes ORDER BY name")
        }

    def node_rows(self) -> list[NodeRow]:
        """How all nodes are, or were at last."""
        rows = self._db.execute("SELECT name, state, wall_offset_s, capacity FROM nodes ORDER BY name")
        return [NodeRow(*row) for row in rows]

    def extent(self) -> tuple[int, int]:
        """The run's seconds as [first, end): of its state and requests, else of its samples; (0, 0) of nothing."""
        ends_of = "SELECT min(second), max(second) + 1 FROM "
        for tables in (("seconds", "requests"), ("samples",)):
            ends = [self._db.execute(ends_of + table).fetchone() for table in tables]
            found = [end for end in ends if end[0] is not None]
            if found:
                return min(first for first, _ in found), max(last for _, last in found)
        return 0, 0

    def sample_period_s(self) -> int:
        """How many whole seconds lie between samples, judged by the first hundred of a few nodes; 1 without any."""
        seconds: dict[int, list[int]] = {}
        query = (
            "SELECT node, second FROM samples WHERE node IN (SELECT id FROM nodes ORDER BY id LIMIT 9)"
            " ORDER BY second, node LIMIT 900"
        )
        for node, second in self._db.execute(query):
            seconds.setdefault(node, []).append(second)
        gaps = [after - before for each in seconds.values() for before, after in pairwise(each)]
        return math.ceil(median(gaps)) if gaps else 1

    def sample_peaks(
        self, columns: Sequence[str], start_s: int, end_s: int, step_s: int, *, node: str | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """The largest values of `columns` in each span of `step_s` seconds within [start_s, end_s), of all nodes or one.

        Yields the span's index, the node's name and a value per column, None where it is unknown, in order of time; spans
        without a sample are left out. Span by span, so that a day needs no more memory than an hour.
        """
        if unknown := set(columns) - set(Reading.__struct_fields__):
            raise ValueError(f"samples have no {', '.join(sorted(unknown))}")
        peaks = ", ".join(f"max({column})" for column in columns)
        query = (
            f"SELECT ?1, name, {peaks} FROM samples JOIN nodes ON nodes.id = node"  # noqa: S608  # known names
            " WHERE second >= ?2 AND second < ?3 AND (?4 IS NULL OR name = ?4) GROUP BY node"
        )
        spans = enumerate(range(start_s, end_s, step_s))
        return chain.from_iterable(
            self._db.execute(query, (index, first_s, min(first_s + step_s, end_s), node)) for index, first_s in spans
        )

    def sample_groups(self, start_s: int, end_s: int, *, hot_c: float) -> Iterator[SampleGroup]:
        """The samples of all nodes within [start_s, end_s), by node and by what held it back; `hot` counts from `hot_c` on."""
        rows = self._db.execute(
            "SELECT name, conditions_lately, count(*), count(CASE WHEN temperature_c >= ?3 THEN 1 END), max(temperature_c),"
            " max(cpu_percent), min(frequency_hz), max(frequency_hz) FROM samples JOIN nodes ON nodes.id = node"
            " WHERE second >= ?1 AND second < ?2 GROUP BY node, conditions_lately",
            (start_s, end_s, hot_c),
        )
        return (SampleGroup(*row) for row in rows)

    def fewest_users(self, start_s: int, end_s: int) -> Iterator[tuple[str, int]]:
        """The fewest users that each node ran in [start_s, end_s): the fewest of each of its workers, added up.

        Seconds that a worker has not told of count for nothing; nodes of which there are no others are left out.
        """
        return self._db.execute(
            "SELECT name, sum(fewest) FROM (SELECT node, min(users) AS fewest FROM fitness"
            " WHERE second >= ?1 AND second < ?2 GROUP BY node, worker) JOIN nodes ON nodes.id = node GROUP BY node",
            (start_s, end_s),
        )

    def unfit(self) -> Iterator[FitnessRow]:
        """Every node-second in which a node was not fit to measure, by node and second."""
        return self._fitness("WHERE unfit != '' ORDER BY name, second")

    def fitness(self) -> Iterator[FitnessRow]:
        """Every node-second, in order of time."""
        return self._fitness("")

    def _fitness(self, which: str) -> Iterator[FitnessRow]:
        rows = self._db.execute(
            "SELECT name, second, lag_max_ms, worker_cpu_percent, requests, unfit, lag, users, worker, own_clock,"  # noqa: S608
            " in_flight, local_errors, exceptions FROM fitness"
            f" JOIN nodes ON nodes.id = node {which}"
        )
        return (FitnessRow(*row) for row in rows)

    def local_errors(self) -> Iterator[tuple[str, int, int, str]]:
        """Node-seconds with requests that failed for want of something on the node: node, second, how many, why it was unfit."""
        return self._db.execute(
            "SELECT name, second, local_errors, unfit FROM fitness JOIN nodes ON nodes.id = node"
            " WHERE local_errors > 0 ORDER BY second"
        )

    def sampled(self) -> Iterator[tuple[str, int, float, float, float | None, int]]:
        """Every sample's node and second, with CPU and memory in percent, temperature and conditions lately, in no order."""
        return self._db.execute(
            "SELECT name, second, cpu_percent, memory_percent, temperature_c, conditions_lately FROM samples"
            " JOIN nodes ON nodes.id = node"
        )

    def lag_by_second(self) -> dict[int, float]:
        """The largest event-loop lag of any worker in each second, in ms."""
        return dict(self._db.execute("SELECT second, max(lag_max_ms) FROM fitness GROUP BY second ORDER BY second"))

    def events(self) -> list[Event]:
        """What happened, in order."""
        return [Event(*row) for row in self._db.execute("SELECT * FROM events ORDER BY offset_s")]

    def errors(self) -> list[ErrorRow]:
        """Errors, the most frequent first."""
        return [ErrorRow(*row) for row in self._db.execute("SELECT * FROM errors ORDER BY count DESC, first_s")]

    def exceptions_total(self) -> int:
        """How many exceptions users' code let through in the whole run."""
        return int(self._db.execute("SELECT coalesce(sum(count), 0) FROM exceptions").fetchone()[0])

    def exceptions(self) -> list[ExceptionRow]:
        """Exceptions in users' code, the most frequent first."""
        return [ExceptionRow(*row) for row in self._db.execute("SELECT * FROM exceptions ORDER BY count DESC, first_s")]


def _tally(row: Sequence[Any]) -> EndpointStats:
    total, failed, received_bytes, histogram, own_clock, unanswered, untimed, failures = row
    return EndpointStats(
        total,
        failed,
        received_bytes,
        Histogram.decode(histogram),
        own_clock,
        failures=None if failures is None else Histogram.decode(failures),
        unanswered=unanswered,
        untimed=untimed,
    )
