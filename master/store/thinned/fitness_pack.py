"""The worker-seconds of some nodes over a span of time, as one blob. Pure.

Whether a worker was fit in a second and why not, its requests, users and errors are kept exactly; its CPU to a tenth of a percent, as it
is judged; of its event loop's lag all probes of the span together, those of fit seconds and of others apart, and for each second the
largest, exactly where it was unfit and within the 1 % of a histogram's bucket where it was fit.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, compress, pairwise
from typing import Literal, NamedTuple

import msgspec

from master.store.thinned.columns import (
    DamagedPackError,
    decode_pack,
    encode_pack,
    pack_integers,
    pack_numbers,
    unpack,
)
from worker.load.histogram import Histogram, value_ms

TENTHS = 10
"""Of a percent: as exact as CPU is counted when it is judged."""
Which = Literal["all", "unfit", "local errors"]
"""All rows, or those of unfit seconds, or of seconds with requests that failed for want of something on the node."""
_COUNTS = ("requests", "userspace_timed", "in_flight", "local_errors", "exceptions")


class WorkerSecond(NamedTuple):
    """A row of the table `fitness`."""

    second: int
    node: int
    """Its number in run.db."""
    worker: int
    lag_max_ms: float
    worker_cpu_percent: float | None
    requests: int
    users: int | None
    unfit: str
    lag: bytes
    userspace_timed: int
    in_flight: int
    local_errors: int
    exceptions: int


class WorkerSpan(NamedTuple):
    """The users of a worker in each second of a pack in which it reported."""

    node: int
    worker: int
    seconds: Sequence[int]
    """From the first second of the pack."""
    users: Sequence[int]
    """-1 where that is not known."""


class LagSpan(NamedTuple):
    """The lag of a worker's event loop over all seconds of a pack in which it was fit, or all others."""

    node: int
    worker: int
    fit: bool
    lag: Histogram


def tenths(percent: float | None) -> int:
    """A share in tenths of a percent, rounded up as it is judged; -1 where it is not known."""
    return -1 if percent is None else math.ceil(min(max(percent, 0.0), 1e6) * TENTHS - 1e-6)


def pack_fitness(first_s: int, rows: Sequence[WorkerSecond]) -> bytes:
    """Pack `rows`, which are in order of node, worker and second; none is before `first_s`.

    A damaged histogram of lag costs its probes. Raises OverflowError where a number has more than 64 bits.
    """
    places = [0]
    places += [index for index, (one, other) in enumerate(pairwise(rows), 1) if one[1:3] != other[1:3]]
    workers = [rows[start:end] for start, end in pairwise([*places, len(rows)])]
    texts: dict[str, int] = {}
    unfit = [texts.setdefault(row.unfit, len(texts)) for row in rows]
    columns = {
        "node": pack_integers([worker[0].node for worker in workers]),
        "worker": pack_integers([worker[0].worker for worker in workers]),
        "rows": pack_integers([len(worker) for worker in workers]),
        "second": pack_integers([row.second - first_s for row in rows]),
        "cpu": pack_integers([tenths(row.worker_cpu_percent) for row in rows]),
        "users": pack_integers([-1 if row.users is None else row.users for row in rows]),
        "unfit": pack_integers(unfit),
        "texts": msgspec.msgpack.encode(list(texts)),
        "lag_bucket": pack_integers([_bucket(row.lag_max_ms) for row in rows if not row.unfit]),
        "lag_max_ms": pack_numbers([row.lag_max_ms for row in rows if row.unfit]),
    }
    for name in _COUNTS:
        columns[name] = pack_integers([getattr(row, name) for row in rows])
    columns |= _pack_lags([_lags_of(worker) for worker in workers])
    return encode_pack(columns)


def unpack_fitness(first_s: int, data: bytes, which: Which = "all") -> Iterator[WorkerSecond]:
    """The rows of a pack, or some of them, in its order, each without its histogram of lag. Raises DamagedPackError.

    A day has tens of millions of them, of which few are unfit or have errors: only for those that are wanted is a row made.
    """
    columns = decode_pack(data)
    try:
        texts = msgspec.msgpack.decode(columns["texts"], type=list[str])
        is_unfit = [bool(text) for text in texts]
        unfit = _whole(columns, "unfit")
        wanted: Sequence[bool]
        if which == "unfit":
            wanted = [is_unfit[why] for why in unfit]
        elif which == "local errors":
            wanted = [errors > 0 for errors in _whole(columns, "local_errors")]
        else:
            wanted = [True] * len(unfit)
        if not any(wanted):
            return
        nodes, workers, lengths = (_whole(columns, name) for name in ("node", "worker", "rows"))
        owners = chain.from_iterable([each] * n for *each, n in zip(nodes, workers, lengths, strict=True))
        buckets, exact = iter(_whole(columns, "lag_bucket")), iter(unpack(columns["lag_max_ms"]))
        lags = (
            exact if which == "unfit" else (next(exact) if is_unfit[why] else value_ms(next(buckets)) for why in unfit)
        )
        per_row = [_whole(columns, name) for name in ("second", "cpu", "users", "unfit", *_COUNTS)]
        _check_lengths(len(wanted), lengths, per_row)
        chosen = zip(
            compress(owners, wanted),
            lags if which == "unfit" else compress(lags, wanted),
            *(compress(column, wanted) for column in per_row),
            strict=True,
        )
        for (node, worker), lag_max_ms, second, cpu, users, why, *counts in chosen:
            requests, *others = counts
            yield WorkerSecond(
                first_s + second,
                node,
                worker,
                lag_max_ms,
                None if cpu < 0 else cpu / TENTHS,
                requests,
                None if users < 0 else users,
                texts[why],
                b"",
                *others,
            )
    except (KeyError, ValueError, IndexError, StopIteration, RuntimeError, msgspec.MsgspecError) as error:
        raise DamagedPackError(f"fitness: {error!r}") from None


def unpack_users(data: bytes) -> Iterator[WorkerSpan]:
    """The users of each worker of a pack. Raises DamagedPackError."""
    columns = decode_pack(data)
    try:
        nodes, workers, lengths = (_whole(columns, name) for name in ("node", "worker", "rows"))
        seconds, users = _whole(columns, "second"), _whole(columns, "users")
    except KeyError as error:
        raise DamagedPackError(f"fitness: {error!r}") from None
    ends = [*pairwise([0, *accumulate(lengths)])]
    if not len(nodes) == len(workers) == len(lengths) or sum(lengths) != len(seconds) or len(users) != len(seconds):
        raise DamagedPackError("fitness: columns of different lengths")
    for node, worker, (start, end) in zip(nodes, workers, ends, strict=True):
        yield WorkerSpan(node, worker, seconds[start:end], users[start:end])


def unpack_lags(data: bytes) -> Iterator[LagSpan]:
    """The lag of each worker of a pack. Raises DamagedPackError."""
    columns = decode_pack(data)
    try:
        nodes, workers = _whole(columns, "node"), _whole(columns, "worker")
        of, fit, lengths = (_whole(columns, f"lags_{name}") for name in ("of", "fit", "buckets"))
        steps, counts = iter(_whole(columns, "lags_step")), iter(_whole(columns, "lags_count"))
        maxima = unpack(columns["lags_max_ms"])
        for place, was_fit, length, max_ms in zip(of, fit, lengths, maxima, strict=True):
            buckets = accumulate(next(steps) for _ in range(length))
            lag = Histogram({bucket: next(counts) for bucket in buckets}, max_ms)
            yield LagSpan(nodes[place], workers[place], bool(was_fit), lag)
    except (KeyError, ValueError, IndexError, StopIteration, RuntimeError) as error:
        raise DamagedPackError(f"fitness: {error!r}") from None


def _whole(columns: dict[str, bytes], name: str) -> Sequence[int]:
    column = unpack(columns[name])
    if column.typecode == "d":
        raise DamagedPackError(f"fitness: {name} has no whole numbers")
    return column  # type: ignore[return-value]  # as just seen


def _check_lengths(rows: int, lengths: Sequence[int], per_row: Sequence[Sequence[int]]) -> None:
    if any(len(column) != rows for column in per_row) or sum(lengths) != rows:
        raise ValueError("columns of different lengths")


def _bucket(lag_ms: float) -> int:
    probe = Histogram()
    probe.add(lag_ms)
    return next(iter(probe.buckets))


def _lags_of(worker: Sequence[WorkerSecond]) -> dict[bool, Histogram]:
    """All probes of fit seconds, and of the others."""
    found: defaultdict[bool, Histogram] = defaultdict(Histogram)
    for row in worker:
        if row.lag:
            try:
                found[not row.unfit].merge(Histogram.decode(row.lag))
            except msgspec.MsgspecError:
                continue
    return found


def _pack_lags(lags: Sequence[dict[bool, Histogram]]) -> dict[str, bytes]:
    spans = [(place, fit, lag) for place, of in enumerate(lags) for fit, lag in of.items()]
    ordered = [sorted(lag.buckets) for _, _, lag in spans]
    return {
        "lags_of": pack_integers([place for place, _, _ in spans]),
        "lags_fit": pack_integers([fit for _, fit, _ in spans]),
        "lags_buckets": pack_integers([len(buckets) for buckets in ordered]),
        "lags_max_ms": pack_numbers([lag.max_ms for _, _, lag in spans]),
        "lags_step": pack_integers([step for buckets in ordered for step in _steps(buckets)]),
        "lags_count": pack_integers(
            [lag.buckets[bucket] for buckets, (_, _, lag) in zip(ordered, spans, strict=True) for bucket in buckets]
        ),
    }


def _steps(ordered: Sequence[int]) -> Iterator[int]:
    """The first, and how much further each next one is."""
    return (after - before for before, after in pairwise([0, *ordered]))
