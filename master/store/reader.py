"""What run.db says, query by query; a reader changes nothing and holds up no writer for long."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Self

import msgspec

from master.store.file import open_existing
from master.store.rows import (
    ErrorRow,
    ErrorSpan,
    Event,
    ExceptionRow,
    FitnessRow,
    LatestSample,
    NodeRow,
    RequestRow,
    SampleBlock,
    SampleGroup,
    SampleRange,
    SecondRow,
    TargetRow,
    WorkersSecond,
)
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram
from worker.load.in_flight import Endpoint
from worker.wire.messages import Facts, Reading

TALLY_COLUMNS = (
    "total, failed, received_bytes, histogram, userspace_timed, unanswered, without_latency, failures, service"
)
ARRIVAL_COLUMNS = "started, missed, late, given_up, lateness"


class StoreReader:
    """The queries of one run.db. Each raises sqlite3.Error when the file can't be read."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Read from an open connection, which `close` closes."""
        self._db = database
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

    def hold_snapshot(self) -> None:
        """Answer all further queries from the state of this moment, whatever is written meanwhile."""
        self._db.execute("BEGIN")

    def meta(self, key: str) -> object:
        """One fact about the run; None when it was not kept."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def requests(self) -> Iterator[RequestRow]:
        """What was finished at every endpoint, in order of time.

        A damaged histogram costs the latencies in it, not the counts beside it; it is noted in `damaged`.
        """
        rows = self._db.execute(
            f"SELECT second, method, endpoints.name, fit, {TALLY_COLUMNS} FROM requests"  # noqa: S608  # a constant
            " JOIN endpoints ON endpoints.id = endpoint ORDER BY second"
        )
        for second, method, name, fit, *tally in rows:
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
            yield RequestRow(second, (method, name), found, bool(fit), 1)

    def arrivals(self) -> Iterator[tuple[int, str, ArrivalTally, bool]]:
        """Every second with arrivals of the open model, in order of time: second, user class, tally, and whether the workers were fit.

        A damaged histogram costs its lateness, not the counts beside it; it is noted in `damaged_lateness`.
        """
        rows = self._db.execute(f"SELECT second, user_class, fit, {ARRIVAL_COLUMNS} FROM arrivals ORDER BY second")  # noqa: S608
        for second, user_class, fit, *counts, lateness in rows:
            tally = ArrivalTally(*counts)
            try:
                tally.lateness = Histogram.decode(lateness)
            except msgspec.MsgspecError:
                self.damaged_lateness.add(second)
            yield second, user_class, tally, bool(fit)

    def waiting(self) -> Iterator[tuple[int, Endpoint, int, Histogram]]:
        """Requests that were waiting for an answer, in order of time: second, endpoint, their number, and their ages in ms at its end."""
        rows = self._db.execute(
            "SELECT second, method, endpoints.name, requests, ages FROM waiting"
            " JOIN endpoints ON endpoints.id = endpoint ORDER BY second"
        )
        for second, method, name, requests, ages in rows:
            yield second, (method, name), requests, Histogram.decode(ages)

    def workers_by_second(self) -> Iterator[WorkersSecond]:
        """All workers together, second by second."""
        rows = self._db.execute(
            "SELECT second, CASE WHEN count(users) = count(*) THEN sum(users) END, sum(in_flight), sum(local_errors),"
            " sum(exceptions) FROM fitness GROUP BY second ORDER BY second"
        )
        yield from (WorkersSecond(*row) for row in rows)

    def row_leases(self, name: str) -> list[str]:
        """What workers hold of a table of data rows, as it was put."""
        return [row[0] for row in self._db.execute("SELECT holding FROM row_leases WHERE name = ?", (name,))]

    def reports(self) -> dict[str, tuple[int, int]]:
        """The last report of each worker that was accepted, as incarnation and number."""
        return {
            worker: (incarnation, number) for worker, incarnation, number in self._db.execute("SELECT * FROM reports")
        }

    def seconds(self) -> list[SecondRow]:
        """The state of the run, second by second."""
        return [
            SecondRow(second, stage, bool(steady), *rest)
            for second, stage, steady, *rest in self._db.execute("SELECT * FROM seconds ORDER BY second")
        ]

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
        return math.ceil(_median(gaps)) if gaps else 1

    def sample_peaks(
        self, columns: Sequence[str], start_s: int, end_s: int, step_s: int, *, node: str | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """The largest values of `columns` in each span of `step_s` seconds within [start_s, end_s), of all nodes or one.

        Yields the span's index, the node's name and a value per column, None where it is unknown, in order of time; spans
        without a sample are skipped. Span by span, so that a day needs no more memory than an hour.
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

    def sample_blocks(
        self, columns: Sequence[str], start_s: int, end_s: int, step_s: int, node: str | None = None
    ) -> Iterator[SampleBlock]:
        """The lowest, mean and highest of `columns` in each span of `step_s` seconds within [start_s, end_s), by node, of all or one.

        In order of time; spans without a sample are skipped. Span by span, so that a day needs no more memory than an hour.
        Raises ValueError for a column that samples do not have.
        """
        if unknown := set(columns) - set(Reading.__struct_fields__):
            raise ValueError(f"samples have no {', '.join(sorted(unknown))}")
        ranges = ", ".join(f"min({column}), avg({column}), max({column})" for column in columns)
        query = (
            f"SELECT name, count(*), {ranges} FROM samples JOIN nodes ON nodes.id = node"  # noqa: S608  # known names
            " WHERE second >= ?1 AND second < ?2 AND (?3 IS NULL OR name = ?3) GROUP BY node"
        )
        for index, first_s in enumerate(range(start_s, end_s, step_s)):
            for name, samples, *values in self._db.execute(query, (first_s, min(first_s + step_s, end_s), node)):
                triples = zip(values[::3], values[1::3], values[2::3], strict=True)
                ranges_of = (None if triple[1] is None else SampleRange(*triple) for triple in triples)
                yield SampleBlock(index, name, samples, tuple(ranges_of))

    def sample_groups(self, start_s: int, end_s: int, *, hot_c: float) -> Iterator[SampleGroup]:
        """The samples of all nodes within [start_s, end_s), by node and by conditions; `hot` counts from `hot_c` on."""
        rows = self._db.execute(
            "SELECT name, conditions_lately, count(*), count(CASE WHEN temperature_c >= ?3 THEN 1 END), max(temperature_c),"
            " max(cpu_percent), min(frequency_hz), max(frequency_hz) FROM samples JOIN nodes ON nodes.id = node"
            " WHERE second >= ?1 AND second < ?2 GROUP BY node, conditions_lately",
            (start_s, end_s, hot_c),
        )
        return (SampleGroup(*row) for row in rows)

    def fewest_users(self, start_s: int, end_s: int) -> Iterator[tuple[str, int]]:
        """The fewest users that each node ran in [start_s, end_s): the fewest of each of its workers, added up.

        Seconds of which a worker did not say are ignored; nodes of which nothing is known are not in the result.
        """
        return self._db.execute(
            "SELECT name, sum(fewest) FROM (SELECT node, min(users) AS fewest FROM fitness"
            " WHERE second >= ?1 AND second < ?2 AND users IS NOT NULL GROUP BY node, worker) JOIN nodes ON nodes.id = node GROUP BY node",
            (start_s, end_s),
        )

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

    def unfit(self) -> Iterator[FitnessRow]:
        """Every node-second in which a node was not fit to measure, by node and second."""
        return self._fitness("WHERE unfit != '' ORDER BY name, second")

    def fitness(self) -> Iterator[FitnessRow]:
        """Every node-second, in order of time."""
        return self._fitness("")

    def _fitness(self, which: str) -> Iterator[FitnessRow]:
        rows = self._db.execute(
            "SELECT name, second, lag_max_ms, worker_cpu_percent, requests, unfit, lag, users, worker, userspace_timed,"  # noqa: S608
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
