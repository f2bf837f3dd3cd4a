"""Events as a reader follows them: what happened to many nodes at once is one row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from master.store import Event

TOGETHER_S = 10.0
"""Events of one kind and with one detail that follow the first within so long are one: a switch that fails takes so long to show."""


@dataclass
class EventGroup:
    """What happened, when it began, and to which nodes; none where it is of no node."""

    offset_s: float
    kind: str
    detail: str
    nodes: list[str] = field(default_factory=list)
    times: int = 0


def grouped_events(events: Iterable[Event]) -> list[EventGroup]:
    """Groups of `events` in the order in which they began."""
    groups: list[EventGroup] = []
    latest: dict[tuple[str, str], EventGroup] = {}
    for event in events:
        key = (event.kind, event.detail)
        group = latest.get(key)
        if group is None or event.offset_s - group.offset_s > TOGETHER_S:
            group = latest[key] = EventGroup(event.offset_s, event.kind, event.detail)
            groups.append(group)
        group.times += 1
        if event.node is not None and event.node not in group.nodes:
            group.nodes.append(event.node)
    return groups
