"""The queries of run.db on what was packed, together with what still has rows: how fit workers were, and samples of nodes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from master.store.rows import FitnessRow, SampleBlock, SampleGroup, WorkersSecond
from master.store.sample_sums import SampleSum
from master.store.thinned.fitness_pack import LagSpan, Which, WorkerSecond, unpack_fitness, unpack_lags, unpack_users
from master.store.thinned.parts import MINUTE_S, THINNED_KEY, Kind, Thinned, thinned_of
from master.store.thinned.sample_pack import FIGURES, unpack_samples
from worker.wire.messages import Reading

FIRST_S, LAST_S = -(1 << 63), (1 << 63) - 1
"""All seconds that there can be are within these."""
FITNESS_COLUMNS = (
    "second, node, worker, lag_max_ms, worker_cpu_percent, requests, users, unfit, lag, userspace_timed, in_flight,"
    " local_errors, exceptions"
)
_WHERE: dict[Which, str] = {"all": "", "unfit": "WHERE unfit != ''", "local errors": "WHERE local_errors > 0"}
_Pack = tuple[int, int, bytes]
"""Its first second, how many there are, and what is in it."""


class PackedReader:
    """The part of StoreReader that has to do with packs. Each query raises sqlite3.Error when the file can't be read."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Read from an open connection."""
        self._db = database

    def meta(self, key: str) -> object:
        """One fact about the run; None when it was not kept."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def thinned(self) -> Thinned:
        """How far the run is thinned."""
        return thinned_of(self.meta(THINNED_KEY))

    # How fit workers were

    def unfit(self) -> Iterator[FitnessRow]:
        """Every worker-second in which a worker was not fit to measure, in order of time."""
        return self._fitness("unfit")

    def fitness(self) -> Iterator[FitnessRow]:
        """Every worker-second, in order of time. Those that were packed have no histogram of lag: see `lag_spans`."""
        return self._fitness("all")

    def fitness_rows(self) -> Iterator[FitnessRow]:
        """The worker-seconds that are not packed, in order of time."""
        return _named(self._rows("all", FIRST_S, LAST_S), self._node_names())

    def local_errors(self) -> Iterator[tuple[str, int, int, str]]:
        """Worker-seconds with requests that failed for want of something on the node: node, second, how many, why it was unfit."""
        for row in self._fitness("local errors"):
            yield row.node, row.second, row.local_errors, row.unfit

    def lag_spans(self) -> Iterator[tuple[str, int, int, LagSpan]]:
        """The lag of worker-seconds that were packed: node, first second, how many there are, and what it was of one worker in them."""
        names = self._node_names()
        for second, span_s, pack in self._packs("fitness", FIRST_S, LAST_S):
            for lag in unpack_lags(pack):
                yield names.get(lag.node, ""), second, span_s, lag

    def workers_by_second(self, start_s: int = FIRST_S, end_s: int = LAST_S) -> Iterator[WorkersSecond]:
        """All workers together, second by second."""
        columns = "second, users, in_flight, local_errors, exceptions"
        rows = self._db.execute(
            "SELECT second, CASE WHEN count(users) = count(*) THEN sum(users) END, sum(in_flight), sum(local_errors),"  # noqa: S608
            f" sum(exceptions) FROM (SELECT {columns} FROM worker_seconds WHERE second >= ?1 AND second < ?2 UNION ALL {_kept(columns, 'fitness')})"
            " GROUP BY second ORDER BY second",
            (start_s, end_s, self._before("fitness")),
        )
        yield from (WorkersSecond(*row) for row in rows)

    def lag_by_second(self) -> dict[int, float]:
        """The largest event-loop lag of any worker in each second, in ms."""
        rows = self._db.execute(
            "SELECT second, max(lag_max_ms) FROM (SELECT second, lag_max_ms FROM worker_seconds"  # noqa: S608  # constants
            f" UNION ALL {_kept('second, lag_max_ms', 'fitness')}) GROUP BY second ORDER BY second",
            (FIRST_S, LAST_S, self._before("fitness")),
        )
        return dict(rows)

    def fewest_users(self, start_s: int, end_s: int) -> Iterator[tuple[str, int]]:
        """The fewest users that each node ran in [start_s, end_s): the fewest of each of its workers, added up.

        Seconds of which a worker did not say are ignored; nodes of which nothing is known are not in the result.
        """
        fewest: dict[tuple[int, int], int] = {}
        for second, span_s, pack in self._packs("fitness", start_s - MINUTE_S + 1, end_s):
            whole = start_s <= second and second + span_s <= end_s
            from_s, to_s = start_s - second, end_s - second
            for node, worker, seconds, users in unpack_users(pack):
                inside = users if whole else [n for s, n in zip(seconds, users, strict=True) if from_s <= s < to_s]
                least = min(inside, default=-1)
                if least < 0:
                    least = min((number for number in inside if number >= 0), default=-1)
                if least >= 0:
                    fewest[node, worker] = min(least, fewest.get((node, worker), least))
        rows = self._db.execute(
            f"SELECT node, worker, min(users) FROM ({_kept('node, worker, users', 'fitness')})"  # noqa: S608  # constants
            " WHERE users IS NOT NULL GROUP BY node, worker",
            (start_s, end_s, self._before("fitness")),
        )
        for node, worker, least in rows:
            fewest[node, worker] = min(least, fewest.get((node, worker), least))
        names, found = self._node_names(), dict[str, int]()
        for (node, _), least in fewest.items():
            if node in names:
                found[names[node]] = found.get(names[node], 0) + least
        return iter(found.items())

    def _fitness(self, which: Which) -> Iterator[FitnessRow]:
        names, position_s = self._node_names(), FIRST_S
        for second, packs in groupby(self._packs("fitness", FIRST_S, LAST_S), itemgetter(0)):
            yield from _named(self._rows(which, position_s, second), names)
            position_s, found = second, dict[tuple[int, int, int], WorkerSecond]()
            for _, span_s, pack in packs:
                position_s = second + span_s
                found.update((row[:3], row) for row in unpack_fitness(second, pack, which))
            found.update((row[:3], row) for row in self._rows(which, second, position_s))
            yield from _named((found[key] for key in sorted(found)), names)
        yield from _named(self._rows(which, position_s, LAST_S), names)

    def worker_rows(self, start_s: int, end_s: int, nodes: tuple[int, int]) -> list[WorkerSecond]:
        """The worker-seconds in [start_s, end_s) that are not packed, of the nodes with numbers in a range, by node, worker and second."""
        rows = self._db.execute(
            f"SELECT {FITNESS_COLUMNS} FROM fitness WHERE second >= ? AND second < ? AND node BETWEEN ? AND ?"  # noqa: S608
            " ORDER BY node, worker, second",
            (start_s, end_s, *nodes),
        )
        return [WorkerSecond(*row) for row in rows]

    def _rows(self, which: Which, start_s: int, end_s: int) -> Iterator[WorkerSecond]:
        rows = self._db.execute(
            f"SELECT {FITNESS_COLUMNS} FROM ({_kept(FITNESS_COLUMNS, 'fitness')}) {_WHERE[which]}"  # noqa: S608  # constants
            " ORDER BY second, node, worker",
            (start_s, end_s, self._before("fitness")),
        )
        return map(WorkerSecond._make, rows)

    # Samples

    def has_samples(self) -> bool:
        """Whether there is any sample."""
        tables = ("samples", "sample_packs", "late_samples")
        return any(self._db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)  # noqa: S608

    def sample_peaks(
        self, columns: Sequence[str], start_s: int, end_s: int, step_s: int, *, node: str | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """The largest values of `columns` in each span of `step_s` seconds within [start_s, end_s), of all nodes or one.

        Yields the span's index, the node's name and a value per column, None where it is unknown; otherwise as `sample_blocks`.
        """
        blocks = self.sample_blocks(columns, start_s, end_s, step_s, node)
        return (
            (block.span, block.node, *(None if found is None else found.highest for found in block.ranges))
            for block in blocks
        )

    def sample_blocks(
        self, columns: Sequence[str], start_s: int, end_s: int, step_s: int, node: str | None = None
    ) -> Iterator[SampleBlock]:
        """The lowest, mean and highest of `columns` in each span of `step_s` seconds within [start_s, end_s), by node, of all or one.

        In order of time; spans without a sample are skipped. What was packed counts in the span in which its minute begins. Span by span,
        so that a day needs no more memory than an hour. Raises ValueError for a column that samples do not have.
        """
        if unknown := set(columns) - set(Reading.__struct_fields__):
            raise ValueError(f"samples have no {', '.join(sorted(unknown))}")
        return self._sample_blocks(columns, start_s, end_s, step_s, node)

    def _sample_blocks(
        self, columns: Sequence[str], start_s: int, end_s: int, step_s: int, only: str | None
    ) -> Iterator[SampleBlock]:
        names = {number: name for number, name in self._node_names().items() if only in {None, name}}
        if not names:
            return
        figures = ", ".join(f"min({column}), avg({column}), max({column}), count({column})" for column in columns)
        query = (
            f"SELECT node, count(*), {figures} FROM ({_kept('node, ' + ', '.join(FIGURES), 'samples')})"  # noqa: S608  # known names
            + ("" if only is None else " WHERE node = ?4")
            + " GROUP BY node"
        )
        before = self._before("samples")
        for span, first_s in enumerate(range(start_s, end_s, step_s)):
            last_s, sums = min(first_s + step_s, end_s), dict[int, SampleSum]()
            for _, _, pack in self._packs("samples", first_s, last_s):
                for number, samples, ranges, _ in unpack_samples(pack, columns, names):
                    sums.setdefault(number, SampleSum(len(columns))).add(
                        samples, [each and (*each, samples) for each in ranges]
                    )
            for number, samples, *values in self._db.execute(
                query, (first_s, last_s, before, *([] if only is None else names))
            ):
                if number in names:
                    each = zip(values[::4], values[1::4], values[2::4], values[3::4], strict=True)
                    of = [None if found[1] is None else found for found in each]
                    sums.setdefault(number, SampleSum(len(columns))).add(samples, of)
            for number in sorted(sums):
                yield SampleBlock(span, names[number], sums[number].samples, sums[number].ranges())

    def sample_groups(self, start_s: int, end_s: int, *, hot_c: float) -> Iterator[SampleGroup]:
        """The samples of all nodes within [start_s, end_s), by node and by conditions; `hot` counts from `hot_c` on.

        What was packed counts where its minute begins; its extremes are those of all its conditions, and `hot` is by THROTTLE_FROM_C.
        """
        names = self._node_names()
        for _, _, pack in self._packs("samples", start_s, end_s):
            for number, _, ranges, flags in unpack_samples(
                pack, ("temperature_c", "cpu_percent", "frequency_hz"), names
            ):
                heat, cpu, clock = ranges
                for conditions, often, hot in flags:
                    yield SampleGroup(
                        names[number],
                        conditions,
                        often,
                        hot,
                        heat and heat[2],
                        0.0 if cpu is None else cpu[2],
                        clock and clock[0],
                        clock and clock[2],
                    )
        kept = _kept("node, conditions_lately, temperature_c, cpu_percent, frequency_hz", "samples")
        rows = self._db.execute(
            "SELECT name, conditions_lately, count(*), count(CASE WHEN temperature_c >= ?4 THEN 1 END), max(temperature_c),"  # noqa: S608
            f" max(cpu_percent), min(frequency_hz), max(frequency_hz) FROM ({kept}) JOIN nodes ON nodes.id = node"
            " GROUP BY node, conditions_lately",
            (start_s, end_s, self._before("samples"), hot_c),
        )
        yield from (SampleGroup(*row) for row in rows)

    def sample_rows(self) -> Iterator[tuple[str, int, float, float, float | None, int]]:
        """The samples that are not packed: node, second, CPU and memory in percent, temperature and conditions lately, in no order."""
        columns = "node, second, cpu_percent, memory_percent, temperature_c, conditions_lately"
        return self._db.execute(
            "SELECT name, second, cpu_percent, memory_percent, temperature_c, conditions_lately"  # noqa: S608  # constants
            f" FROM ({_kept(columns, 'samples')}) JOIN nodes ON nodes.id = node",
            (FIRST_S, LAST_S, self._before("samples")),
        )

    def samples_of(self, start_s: int, end_s: int, nodes: tuple[int, int]) -> list[tuple[Any, ...]]:
        """The samples in [start_s, end_s) that are not packed, of the nodes with numbers in a range: second, number, and FIGURES; by node."""
        return self._db.execute(
            f"SELECT second, node, {', '.join(FIGURES)} FROM samples WHERE second >= ? AND second < ?"  # noqa: S608  # constants
            " AND node BETWEEN ? AND ? ORDER BY node, second",
            (start_s, end_s, *nodes),
        ).fetchall()

    # Both

    def node_numbers(self) -> dict[int, str]:
        """All nodes by their numbers in run.db."""
        return self._node_names()

    def node_totals(self, kind: Kind) -> Iterator[tuple[str, bytes]]:
        """By node, what the generator is judged by of the steady seconds that were packed."""
        return self._db.execute(
            "SELECT name, totals FROM node_totals JOIN nodes ON nodes.id = node WHERE kind = ?", (kind,)
        )

    def _packs(self, kind: Kind, start_s: int, end_s: int) -> Iterator[_Pack]:
        """The packs that begin within [start_s, end_s), in order of time."""
        table = "fitness_packs" if kind == "fitness" else "sample_packs"
        return self._db.execute(
            f"SELECT second, span_s, pack FROM {table} WHERE second >= ? AND second < ?",  # noqa: S608  # one of two
            (start_s, min(end_s, self._before(kind))),
        )

    def _before(self, kind: Kind) -> int:
        """From this second on the rows of a table count, before it packs, and rows that came late."""
        if self.meta(THINNED_KEY) is None:
            return FIRST_S
        return self.thinned().fitness_before if kind == "fitness" else self.thinned().samples_before

    def _node_names(self) -> dict[int, str]:
        return dict(self._db.execute("SELECT id, name FROM nodes"))


def _kept(columns: str, kind: Kind) -> str:
    """A query of `columns` of the rows that are not packed: from ?1 to before ?2, and where they did not come late, from ?3 on."""
    return (
        f"SELECT {columns} FROM {kind} WHERE second >= max(?1, ?3) AND second < ?2"  # noqa: S608  # constants
        f" UNION ALL SELECT {columns} FROM late_{kind} WHERE second >= ?1 AND second < ?2"
    )


def _named(rows: Iterable[WorkerSecond], names: Mapping[int, str]) -> Iterator[FitnessRow]:
    """`rows` with the names of their nodes; those of unknown ones are left out."""
    for row in rows:
        second, node, worker, lag_max_ms, cpu_percent, requests, users, unfit, lag, timed, *counts = row
        if node in names:
            yield FitnessRow(
                names[node], second, lag_max_ms, cpu_percent, requests, unfit, lag, users, worker, timed, *counts
            )
