"""What a record of work may say: pure. Times are milliseconds of Unix time."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

MAX_UNITS = 1_000_000
MAX_UNITS_PER_S = 1000
"""More than a node can do: with it, the five kinds and the platform's own (`server_work`), the sums of `scores` stay below 2**60."""
MAX_DURATION_MS = 24 * 3_600_000
MAX_AGE_MS = 7 * MAX_DURATION_MS
FUTURE_MS = 5000
"""How far a node's clock may be ahead."""


class TaskKind(StrEnum):
    """What a node did."""

    SESSION = "session"
    RELAY = "relay"
    STORAGE = "storage"
    VALIDATION = "validation"
    UPTIME = "uptime"


class WorkRecord(NamedTuple):
    """Work of one node: `units` of a kind, from `started_ms` to `ended_ms`, of a quality in parts per million."""

    node: str
    kind: str
    units: int
    quality_ppm: int
    started_ms: int
    ended_ms: int

    def canonical(self) -> bytes:
        """What a batch's Merkle root is over."""
        return _encode(self)


_encode = msgspec.msgpack.Encoder().encode


def find_fault(record: WorkRecord, now_ms: int) -> str | None:
    """Why a record can't be right by itself, or None. Overlaps with others are for the storage to find."""
    duration_ms = record.ended_ms - record.started_ms
    if duration_ms <= 0:
        return "work ends after it started"
    if duration_ms > MAX_DURATION_MS:
        return "a record covers 24 h at most"
    if record.ended_ms > now_ms + FUTURE_MS:
        return "work ends in the future"
    if record.started_ms < now_ms - MAX_AGE_MS:
        return "work is more than 7 days ago"
    if record.units * 1000 > duration_ms * MAX_UNITS_PER_S:
        return f"more than {MAX_UNITS_PER_S} units a second"
    return None
