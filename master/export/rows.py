"""The rows of each table of an export, one after the other, as run.db gives them; none is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from master.analysis.runs import StoredRun
from master.export.schema import CONDITIONS, PERCENTS, SAMPLED
from master.store import StoreReader
from worker.load.histogram import EndpointStats, Histogram
from worker.load.in_flight import Endpoint
from worker.telemetry.conditions import FREQUENCY_CAPPED, SOFT_LIMITED, THROTTLED, UNDER_VOLTAGE, flag_state

Row = tuple[Any, ...]
_FLAGS = dict(
    zip((name for name, _ in CONDITIONS), (UNDER_VOLTAGE, FREQUENCY_CAPPED, THROTTLED, SOFT_LIMITED), strict=True)
)
_NEVER_HOT_C = 1e9  # the number of hot samples is not asked for


class ExportedRows:
    """The tables of one run. Those of `percentiles` are of the requests that were read before: ask for `requests` first, or read them."""

    def __init__(self, run: StoredRun, store: StoreReader) -> None:
        self._run = run
        self._store = store
        self.start_s, end_s = store.extent()
        last_sample_s = store.last_sample_s()
        self.end_s = end_s if last_sample_s is None else max(end_s, last_sample_s + 1)
        self._steady = bytearray(max(self.end_s - self.start_s, 0))
        for row in store.seconds():
            self._steady[row.second - self.start_s] = row.steady
        self._judged: dict[Endpoint, EndpointStats] | None = None

    def of(self, table: str) -> Iterator[Row]:
        """The rows of a table by its name."""
        rows: dict[str, Callable[[], Iterator[Row]]] = {
            "run": self._run_row,
            "nodes": self._nodes,
            "seconds": lambda: iter(self._store.seconds()),
            "requests": self._requests,
            "percentiles": self._percentiles,
            "arrivals": self._arrivals,
            "samples": self._samples,
            "fitness": self._fitness,
            "target": lambda: iter(self._store.target()),
            "events": lambda: iter(self._store.events()),
            "errors": lambda: iter(self._store.errors()),
            "exceptions": lambda: iter(self._store.exceptions()),
        }
        return rows[table]()

    def _run_row(self) -> Iterator[Row]:
        result = self._run.result
        yield (
            result.run_id,
            result.scenario,
            result.verdict,
            result.reason,
            result.started_at,
            result.duration_s,
            result.steady_s,
            result.target,
            result.load.model,
            result.versions.piswarm,
        )

    def _nodes(self) -> Iterator[Row]:
        facts = self._store.nodes()
        for row in self._store.node_rows():
            known = facts.get(row.name)
            said: Row = (None,) * 7
            if known is not None:
                said = (
                    known.simulated,
                    known.model,
                    known.cpu_count,
                    known.memory_bytes,
                    known.os,
                    known.python,
                    known.piswarm,
                )
            yield row.name, *said, row.state, row.wall_offset_s, row.capacity

    def _is_steady(self, second: int) -> bool:
        place = second - self.start_s
        return 0 <= place < len(self._steady) and bool(self._steady[place])

    def _requests(self) -> Iterator[Row]:
        judged = self._judged = {}
        for second, endpoint, tally, fit, span_s in self._store.requests():
            steady = self._is_steady(second)
            if steady and fit:
                judged.setdefault(endpoint, EndpointStats()).merge(tally)
            latencies = tally.histogram
            yield (
                second,
                span_s,
                *endpoint,
                fit,
                steady,
                tally.total,
                tally.failed,
                tally.unanswered,
                tally.without_latency,
                tally.received_bytes,
                tally.total / span_s,
                _rounded(latencies.mean_ms if latencies.buckets else None),
                *map(_rounded, latencies.percentiles((50, 90, 95, 99, 99.9))),
                _rounded(latencies.max_ms if latencies.buckets else None),
                *map(_rounded, tally.service_times.percentiles((50, 95, 99))),
                _rounded(None if tally.failures is None else tally.failures.percentile(50)),
            )

    def _percentiles(self) -> Iterator[Row]:
        if self._judged is None:
            for _ in self._requests():
                pass
        judged = self._judged or {}
        everything = EndpointStats.merged(judged.values())
        for endpoint, tally in [((None, None), everything), *sorted(judged.items(), key=lambda row: row[0][::-1])]:
            both = (tally.histogram.percentiles(PERCENTS), tally.service_times.percentiles(PERCENTS))
            for percent, latency_ms, service_time_ms in zip(PERCENTS, *both, strict=True):
                yield *endpoint, percent, _rounded(latency_ms), _rounded(service_time_ms)

    def _arrivals(self) -> Iterator[Row]:
        for second, user_class, tally, fit in self._store.arrivals():
            late: Histogram = tally.lateness
            counts = (tally.started, tally.missed, tally.late, tally.given_up)
            longest_ms = _rounded(late.max_ms if late.buckets else None)
            yield second, user_class, fit, *counts, *map(_rounded, late.percentiles((50, 99))), longest_ms

    def _samples(self) -> Iterator[Row]:
        columns = [name for name, _ in SAMPLED]
        # What was thinned is in the second with which its minute begins.
        blocks = self._store.sample_blocks(columns, self.start_s, self.end_s, 1)
        for span, of_second in groupby(blocks, key=lambda block: block.span):
            second = self.start_s + span
            flags = self._conditions(second)
            for block in of_second:
                ranges: list[float | None] = []
                for each in block.ranges:
                    ranges += (None, None, None) if each is None else each
                yield second, block.node, block.samples, *ranges, *flags.get(block.node, (None,) * len(_FLAGS))

    def _conditions(self, second: int) -> dict[str, list[int | None]]:
        """By node the readings in a second in which each condition held; None where it is not known."""
        found: dict[str, list[int | None]] = {}
        for group in self._store.sample_groups(second, second + 1, hot_c=_NEVER_HOT_C):
            counts = found.setdefault(group.node, [None] * len(_FLAGS))
            for place, flag in enumerate(_FLAGS.values()):
                held = flag_state(group.conditions, flag)
                if held is not None:
                    counts[place] = (counts[place] or 0) + group.samples * held
        return found

    def _fitness(self) -> Iterator[Row]:
        for row in self._store.fitness():
            yield (
                row.second,
                row.node,
                row.worker,
                row.unfit,
                row.lag_max_ms,
                row.worker_cpu_percent,
                row.requests,
                row.users,
                row.userspace_timed,
                row.in_flight,
                row.local_errors,
                row.exceptions,
            )


def _rounded(value_ms: float | None) -> float | None:
    """Four digits, as in result.json: a histogram knows no more than two."""
    return None if value_ms is None else float(f"{value_ms:.4g}")
