"""Packs of worker-seconds and samples of one minute, with what the generator is judged by of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from master.judge.seconds.node_totals import add_sample_rows, add_worker_rows
from master.judge.seconds.unfit import NodeCondition, is_pi
from master.store import StoreReader
from master.store.thinned.fitness_pack import WorkerSecond, pack_fitness
from master.store.thinned.parts import Kind, MinuteDone, NodePart, group_nodes
from master.store.thinned.sample_pack import FIGURES, pack_samples
from worker.load.histogram import Histogram

PARTS, NODES_AT_LEAST = 10, 50
"""A minute of a fleet is packed in so many parts at most, none but the last of fewer nodes: each is to be written within milliseconds, and
large packs are smaller."""
_CPU, _MEMORY, _TEMPERATURE, _LATELY = (
    2 + FIGURES.index(name) for name in ("cpu_percent", "memory_percent", "temperature_c", "conditions_lately")
)


def thin_nodes(
    reader: StoreReader, kind: Kind, second: int, end_s: int, steady: Container[int]
) -> Iterator[NodePart | MinuteDone]:
    """The parts of [second, end_s), none of which crosses a border of the `steady` part; the last says that it is done."""
    names = reader.node_numbers()
    before = dict(reader.node_totals(kind))
    totals: dict[int, bytes] = {}
    seconds: list[WorkerSecond] = []
    pis = {name for name, facts in reader.nodes().items() if is_pi(facts)}
    for first_s, last_s, is_steady in _spans(second, end_s, steady):
        for part, nodes in enumerate(group_nodes(sorted(names), PARTS, NODES_AT_LEAST)):
            if kind == "fitness":
                workers = reader.worker_rows(first_s, last_s, nodes)
                seconds += workers
                pack = pack_fitness(first_s, workers) if workers else None
                found = _worker_totals(workers, names, before) if is_steady else {}
            else:
                samples = reader.samples_of(first_s, last_s, nodes)
                pack = pack_samples(samples) if samples else None
                found = _sample_totals(samples, names, before, pis) if is_steady else {}
            totals |= found
            before |= {names[node]: data for node, data in found.items()}
            if pack is not None:
                yield NodePart(kind, first_s, last_s, part, pack)
    yield MinuteDone(kind, end_s, list(totals.items()), _together(seconds))


def _worker_totals(
    rows: Sequence[WorkerSecond], names: Mapping[int, str], before: Mapping[str, bytes]
) -> dict[int, bytes]:
    return {
        node: add_worker_rows(
            names[node],
            before.get(names[node]),
            ((_sound(row.lag), row.worker_cpu_percent, row.unfit, row.userspace_timed) for row in of),
        )
        for node, of in groupby(rows, itemgetter(1))
    }


def _sample_totals(
    rows: Sequence[tuple[Any, ...]], names: Mapping[int, str], before: Mapping[str, bytes], pis: Container[str]
) -> dict[int, bytes]:
    return {
        node: add_sample_rows(
            names[node],
            before.get(names[node]),
            (NodeCondition(row[_CPU], row[_MEMORY], row[_TEMPERATURE], row[_LATELY], names[node] in pis) for row in of),
        )
        for node, of in groupby(rows, itemgetter(1))
    }


def _spans(second: int, end_s: int, steady: Container[int]) -> Iterator[tuple[int, int, bool]]:
    """The parts of [second, end_s) that are steady, and those that are not, in order."""
    for is_steady, seconds in groupby(range(second, end_s), lambda each: each in steady):
        first_s, *_ = of = [*seconds]
        yield first_s, of[-1] + 1, is_steady


def _sound(lag: bytes) -> bytes:
    """A histogram of lag, or an empty one in place of what is damaged or was not kept."""
    try:
        Histogram.decode(lag)
    except msgspec.MsgspecError:
        return _NO_LAG
    return lag


_NO_LAG = Histogram().encode()


def _together(rows: list[WorkerSecond]) -> list[tuple[int, int | None, int, int, int, float]]:
    """What all these workers were in each second."""
    seconds: defaultdict[int, list[WorkerSecond]] = defaultdict(list)
    for row in rows:
        seconds[row.second].append(row)
    return [(second, *_sums(of)) for second, of in seconds.items()]


def _sums(rows: list[WorkerSecond]) -> tuple[int | None, int, int, int, float]:
    users = [row.users for row in rows if row.users is not None]
    return (
        sum(users) if len(users) == len(rows) else None,
        sum(row.in_flight for row in rows),
        sum(row.local_errors for row in rows),
        sum(row.exceptions for row in rows),
        max(row.lag_max_ms for row in rows),
    )
