"""How the nodes of a run are now: schema `piswarm/nodes/1`, and how its rows are ordered and chosen. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Any

import msgspec

from master.formatting import natural

SCHEMA = "piswarm/nodes/1"


class NodeNow(msgspec.Struct, kw_only=True):
    """One node. None is unknown, which is neither zero nor well."""

    node: str
    rack: str | None = None
    """The inventory's group that says where it is."""
    state: str | None = None
    simulated: bool | None = None
    model: str | None = None
    temperature_c: float | None = None
    throttled: bool | None = None
    """This and the next three: whether it was active at any moment since the sample before."""
    under_voltage: bool | None = None
    frequency_capped: bool | None = None
    soft_limited: bool | None = None
    cpu_percent: float | None = None
    """Of all cores together."""
    memory_percent: float | None = None
    frequency_hz: float | None = None
    users: int | None = None
    wall_offset_s: float | None = None
    """How far its wall clock is ahead of the controller's."""
    capacity: float | None = None
    """The load it can carry, in cores of a Raspberry Pi 4 at full clock; less while it is hot."""
    piswarm: str | None = None
    sample_age_s: float | None = None
    """How long ago its latest sample was due; None when it is too old to be looked for, or there was none."""
    fresh: bool = False
    """Whether that is no longer than samples take to come."""

    @property
    def conditions(self) -> list[bool | None]:
        """The throttling conditions, in the order of formatting.CONDITIONS."""
        return [self.throttled, self.under_voltage, self.frequency_capped, self.soft_limited]


class FleetNow(msgspec.Struct, kw_only=True):
    """A run and its nodes at one moment, or at its end when it is over."""

    schema: str = SCHEMA
    run: str
    started_at: str | None
    """Wall clock, ISO 8601 with offset."""
    offset_s: float | None
    """Seconds since its load began; None before."""
    stage: str | None
    """What its load does, such as "1 hold"; None before it began."""
    silent_s: float | None
    """How long nothing has been written of it; None before it began, and when it is over."""
    verdict: str | None
    """PASS, FAIL, INVALID or ABORTED; None while it is not over."""
    nodes: list[NodeNow]

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.verdict is not None


class Column(StrEnum):
    """What rows can be sorted by."""

    NODE = "node"
    STATE = "state"
    MODEL = "model"
    TEMPERATURE = "temperature"
    THROTTLING = "throttling"
    CPU = "cpu"
    MEMORY = "memory"
    CLOCK = "clock"
    USERS = "users"
    OFFSET = "offset"
    CAPACITY = "capacity"
    VERSION = "version"
    AGE = "age"


def _active(row: NodeNow) -> tuple[int, ...] | None:
    """A sort key: the more a condition matters, the more it counts; None when nothing is known of any."""
    if all(holds is None for holds in row.conditions):
        return None
    return tuple(int(bool(holds)) for holds in row.conditions)


_KEYS: dict[Column, Callable[[NodeNow], Any]] = {
    Column.NODE: lambda row: natural(row.node),
    Column.STATE: lambda row: row.state,
    Column.MODEL: lambda row: None if row.model is None else natural(row.model),
    Column.TEMPERATURE: lambda row: row.temperature_c,
    Column.THROTTLING: _active,
    Column.CPU: lambda row: row.cpu_percent,
    Column.MEMORY: lambda row: row.memory_percent,
    Column.CLOCK: lambda row: row.frequency_hz,
    Column.USERS: lambda row: row.users,
    Column.OFFSET: lambda row: row.wall_offset_s,
    Column.CAPACITY: lambda row: row.capacity,
    Column.VERSION: lambda row: None if row.piswarm is None else natural(row.piswarm),
    Column.AGE: lambda row: row.sample_age_s,
}


def arranged(nodes: Collection[NodeNow], by: Column, *, reverse: bool = False) -> list[NodeNow]:
    """Sorted by one column, equal ones by name; those of which it is unknown come last either way."""
    key = _KEYS[by]
    named = sorted(nodes, key=lambda row: natural(row.node))
    known = [row for row in named if key(row) is not None]
    return sorted(known, key=key, reverse=reverse) + [row for row in named if key(row) is None]


def chosen(nodes: Collection[NodeNow], states: Collection[str]) -> list[NodeNow]:
    """Those in one of `states`; all when there are none. "unknown" is the state of a node whose state is not known."""
    return [row for row in nodes if not states or (row.state or "unknown") in states]
