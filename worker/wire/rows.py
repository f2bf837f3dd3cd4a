"""The part of the wire that hands out data rows: to each user of the fleet its own, from a file that the controller alone reads.

Rows are numbered from 0 in the order of the file. Where rows are used in turn, numbers go on behind the last row: number `n` is
row `n` modulo the number of rows. The controller *leases* numbers to a worker; a number that is leased may be used by that
worker at any time, so it is nobody else's until the worker says that it gives it back unused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from worker.wire.bounds import Count, SmallCount, Text, Users

MAX_RANGES = 20_000
MAX_DRAWS = 1000
"""The most rows that one request names."""
MAX_CONTENT_BYTES = 256 << 10
"""The most bytes of one lease's rows, but for a single row, which may be larger."""
MAX_ROW_BYTES = 64 << 10
"""The most bytes of one row."""
MAX_WHOLE_BYTES = 64 << 10
"""A table of no more bytes is sent to each worker once; then its rows need no further sending."""

Span = tuple[Count, Count]
"""Numbers from the first up to, not including, the second."""
Spans = Annotated[list[Span], msgspec.Meta(max_length=MAX_RANGES)]


class Use(StrEnum):
    """How the rows of a table are used."""

    UNIQUE = "unique"
    """Each row goes to one user of the whole fleet, once."""
    CYCLE = "cycle"
    """In turn over the whole fleet, from the first one again after the last."""
    RANDOM = "random"
    """Any row, at random by the scenario's seed and the worker's number."""


class AtEnd(StrEnum):
    """What happens when a user finds that all unique rows are used."""

    STOP_USER = "stop_user"
    STOP_CLASS = "stop_class"
    """All users of its class are stopped."""
    STOP_RUN = "stop_run"


class DataTable(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has to know of a table, as part of its Work."""

    use: Use
    rows: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
    columns: list[str]
    format: Literal["csv", "jsonl"]
    first: SmallCount = 1
    """How many rows a worker asks for before its users begin."""
    whole: bool = False
    """Whether it is sent to each worker as a whole."""


class RowsRequest(msgspec.Struct):
    """Worker: wants rows of a table. Sent again while it has none; asking twice leases nothing twice."""

    table: Text
    incarnation: Count
    """As in Ready."""
    received: Count
    """The number of the latest lease that it has, 0 for none; of a table with random rows how many rows it has drawn so far."""
    wanted: SmallCount = 0
    """How many more numbers than those of the leases up to `received`."""
    waiting: Users = {}
    """Users that wait for a row, by class."""
    draws: Annotated[list[Count], msgspec.Meta(max_length=MAX_DRAWS)] = []
    """Of a table with random rows: the rows whose content is wanted."""
    whole: bool = False
    """Whether it wants the content of the whole table."""


class RowsLease(msgspec.Struct, frozen=True, array_like=True):
    """Controller to a worker: these numbers are yours, with the content of their rows as it is in the file.

    Leases of a table come in order of `number`, without a gap; what comes again is dropped.
    """

    table: Text
    number: Count
    """From 1; 0 where nothing is leased: with the content of a whole table, or with `ended`. Of random rows: as `received`."""
    spans: Spans
    content: bytes = b""
    ended: bool = False
    """All rows are used: no user that waits now gets one."""


class RowsUsed(msgspec.Struct, array_like=True):
    """In a Report: what a worker did with the numbers of a table since its report before."""

    table: Text
    used: Spans
    """Given to a user."""
    returned: Spans
    """Given back unused: it will use them no more."""
    taken: SmallCount = 0
    """How many rows users took."""
    waits: SmallCount = 0
    """How many of these had to wait for a lease."""
    longest_wait_ms: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0
    timeouts: SmallCount = 0
    """Users that waited in vain, for as long as they would wait."""
    stopped: Users = {}
    """Users that were stopped since all rows were used, by class."""
