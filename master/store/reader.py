"""What run.db says, query by query; a reader changes nothing and holds up no writer for long."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import msgspec

from master.store.file import open_existing
from master.store.packed_reader import FIRST_S, LAST_S, PackedReader
from master.store.rows import (
    ErrorRow,
    ErrorSpan,
    Event,
    ExceptionRow,
    LatestSample,
    NodeRow,
    RequestRow,
    SecondRow,
    TargetRow,
)
from master.store.thinned.parts import MINUTE_S, THINNED_KEY, thinned_of
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram
from worker.load.in_flight import Endpoint
from worker.wire.messages import Facts

TALLY_COLUMNS = (
    "total, failed, received_bytes, histogram, userspace_timed, unanswered, without_latency, failures, service"
)
ARRIVAL_COLUMNS = "started, missed, late, given_up, lateness"


class StoreReader(PackedReader):
    """The queries of one run.db. Each raises sqlite3.Error when the file can't be read."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Read from an open connection, which `close` closes."""
        super().__init__(database)
        self.damaged: set[tuple[int, Endpoint]] = set()
        """The seconds and endpoints of which `requests` found a damaged histogram; their latencies are missing from what it gave."""
        self.damaged_lateness: set[int] = set()
        """The seconds of which `arrivals` found a damaged histogram; their lateness is missing from what it gave."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing run.db read-only. Raises InputError when the file is no run.db of this version."""
        return cls(open_existing(path, "ro"))

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def limit_time(self, limit_s: float) -> None:
        """Give up with sqlite3.OperationalError in so long: a file that somebody else has made may have queries without end in its views."""
        until_s = time.monotonic() + limit_s
        self._db.set_progress_handler(lambda: time.monotonic() > until_s, 1_000_000)

    def hold_snapshot(self) -> None:
        """Answer all further queries from the state of this moment, whatever is written meanwhile."""
        self._db.execute("BEGIN")

    def requests(self, from_s: int = FIRST_S) -> Iterator[RequestRow]:
        """What was finished at every endpoint, in order of time, in spans that begin at `from_s` or later.

        A damaged histogram costs the latencies in it, not the counts beside it; it is noted in `damaged`.
        """
        before = self._thinned_before()
        yield from self._requests("request_spans", "span_s", from_s, LAST_S)
        yield from self._requests("requests", "1", max(before, from_s), LAST_S)

    def span_extents(self) -> Iterator[tuple[int, int]]:
        """The spans of thinned requests and arrivals, as first second and length, in order of time."""
        return self._db.execute(
            f"SELECT second, max(1, min({MINUTE_S}, span_s)) FROM (SELECT second, span_s FROM request_spans"  # noqa: S608  # a constant
            " UNION ALL SELECT second, span_s FROM arrival_spans) GROUP BY second ORDER BY second"
        )

    def requests_by_second(self, start_s: int, end_s: int) -> Iterator[RequestRow]:
        """As `requests`, of the seconds from `start_s` to before `end_s` that are kept one by one, whether they are thinned or not."""
        return self._requests("requests", "1", start_s, end_s)

    def _thinned_before(self) -> int:
        """From this second on requests, arrivals and waiting requests are kept second by second."""
        return FIRST_S if (thinned := self.meta(THINNED_KEY)) is None else thinned_of(thinned).requests_before

    def _requests(self, table: str, span_s: str, start_s: int, end_s: int) -> Iterator[RequestRow]:
        rows = self._db.execute(
            f"SELECT second, method, endpoints.name, fit, {span_s}, {TALLY_COLUMNS} FROM {table}"  # noqa: S608  # constants
            " JOIN endpoints ON endpoints.id = endpoint WHERE second >= ? AND second < ? ORDER BY second",
            (start_s, end_s),
        )
        for second, method, name, fit, length_s, *tally in rows:
            try:
                found = decode_tally(tally)
            except msgspec.MsgspecError:
                self.damaged.add((second, (method, name)))
                total, failed, received_bytes, _, userspace_timed, unanswered, without_latency, *_ = tally
                found = EndpointStats(
                    total,
                    failed,
                    received_bytes,
                    userspace_timed=userspace_timed,
                    unanswered=unanswered,
                    without_latency=without_latency,
                )
            yield RequestRow(second, (method, name), found, bool(fit), length_s)

    def arrivals(self, from_s: int = FIRST_S) -> Iterator[tuple[int, str, ArrivalTally, bool]]:
        """Arrivals of the open model, in order of time: second, user class, tally, and whether the workers were fit; from `from_s` on.

        The second is the first of a span where they are thinned, as in `requests`. A damaged histogram costs its lateness, not the counts
        beside it; it is noted in `damaged_lateness`.
        """
        before = self._thinned_before()
        yield from self._arrivals("arrival_spans", from_s, LAST_S)
        yield from self._arrivals("arrivals", max(before, from_s), LAST_S)

    def arrivals_by_second(self, start_s: int, end_s: int) -> Iterator[tuple[int, str, ArrivalTally, bool]]:
        """As `arrivals`, of the seconds from `start_s` to before `end_s` that are kept one by one, whether they are thinned or not."""
        return self._arrivals("arrivals", start_s, end_s)

    def _arrivals(self, table: str, start_s: int, end_s: int) -> Iterator[tuple[int, str, ArrivalTally, bool]]:
        rows = self._db.execute(
            f"SELECT second, user_class, fit, {ARRIVAL_COLUMNS} FROM {table} WHERE second >= ? AND second < ?"  # noqa: S608
            " ORDER BY second",
            (start_s, end_s),
        )
        for second, user_class, fit, *counts, lateness in rows:
            tally = ArrivalTally(*counts)
            try:
                tally.lateness = Histogram.decode(lateness)
            except msgspec.MsgspecError:
                self.damaged_lateness.add(second)
            yield second, user_class, tally, bool(fit)

    def waiting(self, start_s: int = FIRST_S, end_s: int = LAST_S) -> Iterator[tuple[int, Endpoint, int, Histogram]]:
        """Requests that were waiting for an answer, in order of time: second, endpoint, their number, and their ages in ms at its end.

        Where requests are thinned, of each span the second with the oldest of an endpoint.
        """
        rows = self._db.execute(
            "SELECT second, method, endpoints.name, requests, ages FROM waiting"
            " JOIN endpoints ON endpoints.id = endpoint WHERE second >= ? AND second < ? ORDER BY second",
            (start_s, end_s),
        )
        for second, method, name, requests, ages in rows:
            yield second, (method, name), requests, Histogram.decode(ages)

    def row_leases(self, name: str) -> list[str]:
        """What workers hold of a table of data rows, as it was put."""
        return [row[0] for row in self._db.execute("SELECT holding FROM row_leases WHERE name = ?", (name,))]

    def reports(self) -> dict[str, tuple[int, int]]:
        """The last report of each worker that was accepted, as incarnation and number."""
        return {
            worker: (incarnation, number) for worker, incarnation, number in self._db.execute("SELECT * FROM reports")
        }

    def seconds(self, start_s: int = FIRST_S, end_s: int = LAST_S) -> list[SecondRow]:
        """The state of the run, second by second."""
        rows = self._db.execute(
            "SELECT * FROM seconds WHERE second >= ? AND second < ? ORDER BY second", (start_s, end_s)
        )
        return [SecondRow(second, stage, bool(steady), *rest) for second, stage, steady, *rest in rows]

    def endpoint_numbers(self) -> dict[Endpoint, int]:
        """The number of each endpoint in run.db."""
        return {
            (method, name): number
            for method, name, number in self._db.execute("SELECT method, name, id FROM endpoints")
        }

    def target(self) -> list[TargetRow]:
        """What the target's process used, second by second; nothing where it ran elsewhere."""
        return [TargetRow(*row) for row in self._db.execute("SELECT * FROM target ORDER BY second")]

    def controller_memory(self) -> Iterator[tuple[int, int]]:
        """The resident memory of the controller's process in bytes, second by second."""
        return self._db.execute("SELECT second, memory_bytes FROM controller ORDER BY second")

    def nodes(self) -> dict[str, Facts | None]:
        """All nodes by name, with the facts that they reported."""
        return {
            name: msgspec.json.decode(facts, type=Facts) if facts else None
            for name, facts in self._db.execute("SELECT name, facts FROM nodes ORDER BY name")
        }

    def node_rows(self) -> list[NodeRow]:
        """The latest state of all nodes."""
        rows = self._db.execute("SELECT name, state, wall_offset_s, capacity FROM nodes ORDER BY name")
        return [NodeRow(*row) for row in rows]

    def extent(self) -> tuple[int, int]:
        """The run's seconds as [first, end): of its state and requests, else of its samples; (0, 0) of nothing."""
        ends_of = "SELECT min(second), max(second) + 1 FROM "
        for tables in (("seconds", "requests", "request_spans"), ("samples", "sample_packs")):
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
        return math.ceil(_median(gaps)) if gaps else 1

    def last_sample_s(self) -> int | None:
        """The second of the latest sample of any node; None when there is none."""
        found: int | None = self._db.execute("SELECT max(second) FROM samples").fetchone()[0]
        return found

    def latest_samples(self, after_s: int, *, nodes: Collection[str] | None = None) -> list[LatestSample]:
        """The latest sample after the second `after_s` of each node, or of `nodes` only, which among many others is faster."""
        rows = self._db.execute(
            "SELECT name, number, first, samples.second, cpu_percent, memory_percent, temperature_c, frequency_hz,"
            " conditions_lately FROM (SELECT node, count(*) AS number, min(second) AS first, max(second) AS last FROM samples"
            " WHERE second > ?1 AND (?2 IS NULL OR node IN (SELECT id FROM nodes WHERE name IN (SELECT value FROM json_each(?2))))"
            " GROUP BY node) AS latest"
            " JOIN samples ON samples.second = last AND samples.node = latest.node JOIN nodes ON nodes.id = samples.node",
            (after_s, None if nodes is None else json.dumps([*nodes])),
        )
        return [LatestSample(*row) for row in rows]

    def latest_users(self, within_s: int) -> Iterator[tuple[str, int, int]]:
        """The users that each worker last reported, within the last `within_s` seconds of any report: node, second, users."""
        # Beside max(), SQLite gives the other columns of the row that has it.
        return self._db.execute(
            "SELECT name, max(second), users FROM fitness JOIN nodes ON nodes.id = node"
            " WHERE second > (SELECT max(second) FROM fitness) - ? AND users IS NOT NULL GROUP BY node, worker",
            (within_s,),
        )

    def events(self) -> list[Event]:
        """What happened, in order."""
        return [Event(*row) for row in self._db.execute("SELECT * FROM events ORDER BY offset_s")]

    def errors(self) -> list[ErrorRow]:
        """Errors, the most frequent first."""
        return [ErrorRow(*row) for row in self._db.execute("SELECT * FROM errors ORDER BY count DESC, first_s")]

    def errors_over_time(self) -> Iterator[ErrorSpan]:
        """How often errors of each kind were reported, span by span; of what was reported before the last commit."""
        rows = self._db.execute(
            "SELECT start_s, error, count FROM error_counts JOIN error_kinds ON error_kinds.id = kind ORDER BY start_s, kind"
        )
        return (ErrorSpan(*row) for row in rows)

    def exceptions_total(self) -> int:
        """How many exceptions users' code let through in the whole run."""
        return int(self._db.execute("SELECT coalesce(sum(count), 0) FROM exceptions").fetchone()[0])

    def exceptions(self) -> list[ExceptionRow]:
        """Exceptions in users' code, the most frequent first."""
        return [ExceptionRow(*row) for row in self._db.execute("SELECT * FROM exceptions ORDER BY count DESC, first_s")]


def decode_tally(row: Sequence[Any]) -> EndpointStats:
    """The tally in a row of TALLY_COLUMNS. Raises msgspec.DecodeError or msgspec.ValidationError for a damaged histogram."""
    total, failed, received_bytes, histogram, userspace_timed, unanswered, without_latency, failures, service = row
    return EndpointStats(
        total,
        failed,
        received_bytes,
        Histogram.decode(histogram),
        userspace_timed,
        failures=None if failures is None else Histogram.decode(failures),
        service=None if service is None else Histogram.decode(service),
        unanswered=unanswered,
        without_latency=without_latency,
    )


def _median(values: Sequence[int]) -> float:
    """The median; `statistics` takes longer to import than `piswarm nodes` has time for."""
    ordered = sorted(values)
    return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2
