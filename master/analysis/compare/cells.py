"""The steady part of a run cut into cells of equal length, with what each endpoint counted in each.

A cell is the least that resampling over time tells apart: a second in a short run, more in a long one, so that a day needs no more
memory than some minutes. Histograms of the seconds of a cell are merged, which loses nothing but when in the cell it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from master.store import RequestRow, StoreReader
from worker.load.histogram import EndpointStats
from worker.load.in_flight import Endpoint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_CELLS = 480
"""Of a run: enough for 30 blocks of 16 cells."""


@dataclass
class EndpointCells:
    """What one endpoint counted, cell by cell."""

    total: NDArray[np.float64]
    failed: NDArray[np.float64]
    buckets: NDArray[np.int64]
    """The buckets of worker.load.histogram that have a latency, in ascending order."""
    counts: NDArray[np.float32]
    """Latencies by cell and by place in `buckets`."""


@dataclass
class RunCells:
    """All of a run's steady part."""

    cell_s: int
    """The length of a cell; the last of each span of time may be shorter."""
    lengths_s: NDArray[np.float64]
    """The seconds of each cell."""
    segments: list[int]
    """The number of cells of each stretch of time on end within one stage, in order."""
    endpoints: dict[Endpoint, EndpointCells]
    overall: EndpointCells
    """All endpoints together."""


@dataclass(frozen=True, slots=True)
class _Place:
    """The cells of the steady seconds."""

    cell_of: dict[int, int]
    segments: list[int]
    lengths_s: list[int]


def read_cells(store: StoreReader) -> RunCells | None:
    """The steady part of the run in `store`; None where it has none. Raises sqlite3.Error when it can't be read."""
    rows = store.seconds()
    steady = [(row.second, row.stage) for row in rows if row.steady]
    return cut(steady, store.requests()) if steady else None


def cut(steady: Sequence[tuple[int, str]], requests: Iterable[RequestRow], max_cells: int = MAX_CELLS) -> RunCells:
    """Cells of the `steady` seconds, which are in order and have their stage, filled with those of `requests` that are in them."""
    steady_seconds = {second for second, _ in steady}
    by_second: dict[Endpoint, dict[int, EndpointStats]] = defaultdict(dict)
    cell_s = max(1, -(-len(steady) // max_cells))
    widest_s = 1
    place = _place(steady, cell_s)
    for row in requests:
        if row.second not in steady_seconds:
            continue
        if row.span_s > widest_s:
            widest_s = row.span_s
        cells = by_second[row.endpoint]
        tally = cells.setdefault(place.cell_of[row.second], EndpointStats())
        tally.total += row.tally.total
        tally.failed += row.tally.failed
        if row.fit:
            tally.histogram.merge(row.tally.histogram)
    if widest_s > cell_s:
        # What was thinned can't be told apart within its span: cells are as wide, and what lies in the first of them is spread.
        by_second, place = _widen(by_second, place, _place(steady, widest_s))
        cell_s = widest_s
    return _dense(cell_s, place, by_second)


def _place(steady: Sequence[tuple[int, str]], cell_s: int) -> _Place:
    found = _Place({}, [], [])
    before: tuple[int, str] | None = None
    for second, stage in steady:
        if before is None or second != before[0] + 1 or stage != before[1]:
            found.segments.append(0)
            filled = cell_s
        if filled == cell_s:
            found.segments[-1] += 1
            found.lengths_s.append(0)
            filled = 0
        found.cell_of[second] = len(found.lengths_s) - 1
        found.lengths_s[-1] += 1
        filled += 1
        before = second, stage
    return found


def _widen(
    cells: dict[Endpoint, dict[int, EndpointStats]], narrow: _Place, wide: _Place
) -> tuple[dict[Endpoint, dict[int, EndpointStats]], _Place]:
    """What lies in the cells of `narrow`, in those of `wide`, by the first second of each."""
    becomes: dict[int, int] = {}
    for second, cell in narrow.cell_of.items():
        becomes.setdefault(cell, wide.cell_of[second])
    found: dict[Endpoint, dict[int, EndpointStats]] = defaultdict(dict)
    for endpoint, tallies in cells.items():
        for cell, tally in tallies.items():
            found[endpoint].setdefault(becomes[cell], EndpointStats()).merge(tally)
    return found, wide


def _dense(cell_s: int, place: _Place, tallies: dict[Endpoint, dict[int, EndpointStats]]) -> RunCells:
    import numpy as np  # noqa: PLC0415  # takes 0.1 s

    endpoints = {endpoint: _matrix(cells, len(place.lengths_s)) for endpoint, cells in tallies.items()}
    together: dict[int, EndpointStats] = defaultdict(EndpointStats)
    for cells in tallies.values():
        for cell, tally in cells.items():
            together[cell].merge(tally)
    return RunCells(
        cell_s,
        np.array(place.lengths_s, dtype=np.float64),
        place.segments,
        endpoints,
        _matrix(together, len(place.lengths_s)),
    )


def _matrix(cells: dict[int, EndpointStats], number: int) -> EndpointCells:
    import numpy as np  # noqa: PLC0415

    buckets = sorted({bucket for tally in cells.values() for bucket in tally.histogram.buckets})
    columns = {bucket: column for column, bucket in enumerate(buckets)}
    total, failed = np.zeros(number), np.zeros(number)
    counts = np.zeros((number, len(buckets)), dtype=np.float32)
    for cell, tally in cells.items():
        total[cell], failed[cell] = tally.total, tally.failed
        for bucket, count in tally.histogram.buckets.items():
            counts[cell, columns[bucket]] = count
    return EndpointCells(total, failed, np.array(buckets, dtype=np.int64), counts)
